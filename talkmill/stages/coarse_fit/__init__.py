"""The coarse_fit stage."""
