"""When stages run, and what users are shown of it."""
