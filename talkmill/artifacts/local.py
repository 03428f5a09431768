"""The store in local folders, one folder per bucket. The embedded mode uses it in place of MinIO."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.artifacts.store import CorruptArtifactError, MissingArtifactError
from talkmill.files import move_durably, write_whole

# Objects up to this size are compared whole when a finished result is looked up.
COMPARED_BYTES = 1 << 20


class LocalStore:
    """A store in local folders; safe for several threads and processes."""

    def __init__(self, buckets: Mapping[str, Path]) -> None:
        """Create a store.

        Args:
            buckets: Bucket name to the folder that holds its objects.
        """
        self._buckets = {name: folder.resolve() for name, folder in buckets.items()}
        self._verified: set[tuple[str, str, int]] = set()

    def put(self, path: Path, bucket: str, key: str, media_type: str) -> Artifact:
        """Move a local file into the store; the object appears whole or not at all, and stays after a power cut."""
        status = path.stat()
        artifact = Artifact(bucket, key, sha256_of(path), status.st_size, media_type)
        target = self._path(bucket, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        move_durably(path, target)
        # Another clip may drop the object at any moment: what is remembered was read before.
        self._verified.add((str(target), artifact.sha256, status.st_mtime_ns))
        return artifact

    def fetch(self, artifact: Artifact, folder: Path | None = None) -> Path:
        """Return the path of the verified content; see `Store.fetch`. No copy is made, no folder is needed."""
        path = self._path(artifact.bucket, artifact.key)
        try:
            # Another clip may drop what it found damaged at any moment.
            if self._mark(artifact, path) in self._verified:
                return path
            size = path.stat().st_size
            found = sha256_of(path) if size == artifact.size_bytes else ""
            if found != artifact.sha256:
                raise CorruptArtifactError.of(str(path), artifact, size, found)
            self._remember(artifact, path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise MissingArtifactError(f"{path} is not there any more", artifact) from error
        return path

    def has(self, artifact: Artifact) -> bool:
        """Say whether the object is there; small ones are read and compared, of large ones the size is."""
        path = self._path(artifact.bucket, artifact.key)
        try:
            if path.stat().st_size != artifact.size_bytes:
                return False
            return artifact.size_bytes > COMPARED_BYTES or sha256_of(path) == artifact.sha256
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False

    def digest(self, bucket: str, key: str) -> tuple[str, int] | None:
        """Read an object and return the SHA-256 and the size of its content, or None where there is none."""
        try:
            path = self._path(bucket, key)
            return sha256_of(path), path.stat().st_size
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def read(self, bucket: str, key: str) -> bytes | None:
        """Return a small object's content, or None where there is none."""
        try:
            return self._path(bucket, key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Write a small object; it appears whole or not at all."""
        target = self._path(bucket, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)

    def remove_key(self, bucket: str, key: str) -> None:
        """Remove an object by its key; nothing happens where there is none."""
        self._path(bucket, key).unlink(missing_ok=True)

    def _path(self, bucket: str, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\\" in key:
            raise ValueError(f"object key {key!r} is not a plain relative path")
        if bucket not in self._buckets:
            raise ValueError(f"bucket {bucket!r} is not one of {', '.join(sorted(self._buckets))}")
        return self._buckets[bucket].joinpath(*parts)

    def _mark(self, artifact: Artifact, path: Path) -> tuple[str, str, int]:
        return (str(path), artifact.sha256, path.stat().st_mtime_ns)

    def _remember(self, artifact: Artifact, path: Path) -> None:
        self._verified.add(self._mark(artifact, path))
