"""The folders that trainers read, written from a set: one file a trainer."""
