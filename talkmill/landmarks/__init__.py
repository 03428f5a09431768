"""68 landmarks in iBUG order: measured in each frame, checked, and smoothed over time."""
