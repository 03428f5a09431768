"""Builders that turn published files into the one file that the pipeline loads."""
