"""Measurements against what the field used before."""
