"""Transforms, rotations and cameras. `conventions` is the only place where an axis is flipped."""
