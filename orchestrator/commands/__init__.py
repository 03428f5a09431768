"""The commands of `talkmill` that talk to, or are, servers."""
