"""Alpha mattes of a talking head, frame by frame, stable in time."""
