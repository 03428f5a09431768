"""The stages: each decides what is read and written, and leaves the numbers to `talkmill`."""
