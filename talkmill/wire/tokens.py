"""The hash of a bearer token, which a server keeps."""

import hashlib


def hash_token(token: str) -> str:
    """Return what the file of tokens holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
