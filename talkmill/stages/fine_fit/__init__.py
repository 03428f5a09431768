"""The fine_fit stage."""
