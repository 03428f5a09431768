"""The crop stage."""
