"""What is known of a bearer token on both sides: its hash, which a server keeps, and the bound of its name."""

import hashlib

# Characters of the name of who has a token.
LONGEST_NAME = 256


def hash_token(token: str) -> str:
    """Return what the file of tokens holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
