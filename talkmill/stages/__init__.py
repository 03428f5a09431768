"""What a stage is, how it is executed, and the errors it may end in."""
