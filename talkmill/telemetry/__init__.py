"""What the system tells of itself."""
