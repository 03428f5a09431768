"""The matting stage."""
