"""The landmarks stage."""
