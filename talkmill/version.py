"""The version of talkmill, in the one place that packaging, servers and the command line read."""

__version__ = "0.2.0"
