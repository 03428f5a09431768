"""Immutable objects, the stores that keep them, and the manifest that commits a result."""
