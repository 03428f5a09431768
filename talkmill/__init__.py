"""The library: it decides what the numbers are."""

__version__ = "0.1.0"
