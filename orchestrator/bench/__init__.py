"""Measurements: quality on real clips, speed of the fit. Never part of a test."""
