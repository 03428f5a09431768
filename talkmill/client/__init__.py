"""Runs on a cluster: submit, upload, watch, fetch."""
