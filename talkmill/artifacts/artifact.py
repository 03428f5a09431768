"""The artifact: an immutable object in a store, identified by its sha256 and size."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
# No empty part, none of `.` and `..`, nothing but plain characters: a key can be a path everywhere.
Key = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9_#=+@ -][A-Za-z0-9_.#=+@ -]*(/[A-Za-z0-9_#=+@ -][A-Za-z0-9_.#=+@ -]*)*$", max_length=1024
    ),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# With parameters; no character that an address with a secret needs.
MediaType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$&^_.+/;= \"-]*$", max_length=255)]
# The largest object of S3.
SizeBytes = Annotated[int, Field(ge=0, le=5 * 2**40)]


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

    bucket: Bucket
    key: Key
    sha256: Sha256
    size_bytes: SizeBytes
    media_type: MediaType


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
