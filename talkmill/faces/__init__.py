"""Faces in frames: found, followed, and the person chosen."""
