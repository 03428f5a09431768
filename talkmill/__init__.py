"""Turns talking-head videos into training sets for talking-face avatars."""

__version__ = "0.1.0"
