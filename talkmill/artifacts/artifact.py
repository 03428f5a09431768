"""What an artifact is. Knows no store."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifact:
    """An immutable object in a store. Its identity is sha256 + size.

    Attributes:
        bucket: Bucket name.
        key: Key in the bucket, `/`-separated.
        sha256: Hex digest of the content.
        size_bytes: Length of the content.
        media_type: Media type, such as `video/mp4`.
    """

    bucket: str
    key: str
    sha256: str
    size_bytes: int
    media_type: str


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
