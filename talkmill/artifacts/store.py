"""The interface of an object store."""

from pathlib import Path
from typing import Protocol

from talkmill.artifacts.artifact import Artifact


class StoreUnavailableError(ConnectionError):
    """The store did not answer, for as long as was waited."""


class LostArtifactError(RuntimeError):
    """An artifact that was announced cannot be had.

    Attributes:
        artifact: The artifact.
    """

    def __init__(self, message: str, artifact: Artifact) -> None:
        super().__init__(message)
        self.artifact = artifact


class CorruptArtifactError(LostArtifactError):
    """The stored content is not what the artifact says."""

    @classmethod
    def of(cls, where: str, artifact: Artifact, size_bytes: int, sha256: str = "") -> "CorruptArtifactError":
        """Return the error of a content, by what was compared.

        Args:
            where: Path or key.
            artifact: What was announced.
            size_bytes: Bytes that were found; where they are more than announced, at least so many.
            sha256: Of the content; empty where the size alone told it.
        """
        announced = artifact.size_bytes
        if size_bytes > announced:
            found = f"has more than the {announced} bytes that were announced"
        elif size_bytes < announced:
            found = f"has {size_bytes} bytes, {announced} were announced"
        else:
            found = f"has the {announced} bytes that were announced and another content: sha256 {sha256[:12]}... in "
            found += f"place of {artifact.sha256[:12]}..."
        return cls(f"{where} {found}", artifact)


class MissingArtifactError(LostArtifactError):
    """The store has no such object."""


class Store(Protocol):
    """A store of immutable objects."""

    def put(self, path: Path, bucket: str, key: str, media_type: str) -> Artifact:
        """Move a local file into the store; the object appears whole or not at all."""
        ...

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Return a local path of the verified content: the object itself where it is a file here, else a copy.

        Args:
            artifact: The object.
            folder: Where a copy goes; the caller deletes it.

        Raises:
            MissingArtifactError: The store has no such object.
            CorruptArtifactError: Its content has another size or hash.
        """
        ...

    def has(self, artifact: Artifact) -> bool:
        """Say whether the object is there, as far as can be told without reading a large one."""
        ...

    def digest(self, bucket: str, key: str) -> tuple[str, int] | None:
        """Read an object and return the SHA-256 and the size of its content, or None where there is none."""
        ...

    def read(self, bucket: str, key: str) -> bytes | None:
        """Return a small object's content, or None where there is none."""
        ...

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Write a small object; it appears whole or not at all."""
        ...

    def remove_key(self, bucket: str, key: str) -> None:
        """Remove an object by its key; nothing happens where there is none."""
        ...
