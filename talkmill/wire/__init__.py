"""Stages and errors as gRPC messages, for servers and clients alike."""
