"""Containers for the tests: the project's own images, built from its Dockerfile, run as a cluster would run them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.images import Image, build, images

USER = 10001
TAGS = {image.target: image for image in images()}


def need_containers() -> None:
    """Skip where there is neither podman nor buildah; CI installs them."""
    if shutil.which("podman") and shutil.which("buildah"):
        return
    if os.environ.get("CI"):
        pytest.fail("podman and buildah are not installed")
    pytest.skip("podman and buildah are not installed: containers are not tested")


def built(target: str) -> Image:
    image = TAGS[target]
    build(image, {}, os.environ.get("BUILDAH_OPTIONS", "").split())
    return image


def hardened(tag: str, models: Path, scratch: Path, *environment: str) -> tuple[str, ...]:
    """A command that runs an image as the chart does: not root, nothing writable but scratch, no capability."""
    return (
        "podman", "run", "--rm", "--network=host", "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL",
        "--security-opt=no-new-privileges", "--memory=4g", "--pids-limit=512",
        "--volume", f"{models}:/models:ro", "--volume", f"{scratch}:/scratch", "--env", "TALKMILL_*",
        "--env", "TALKMILL_SCRATCH=/scratch/work", "--env", "TALKMILL_MODELS__DIRECTORY=/models",
        *(word for pair in environment for word in ("--env", pair)), tag,
    )  # fmt: skip


def own_folder(path: Path) -> Path:
    """A folder that belongs to the user of the images, as a cluster's volume does."""
    path.mkdir(parents=True)
    os.chown(path, USER, USER)
    return path


def inside(tag: str, script: str) -> str:
    """Run a shell script in an image without a network; its output comes back."""
    command = ["podman", "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--entrypoint", "/bin/sh"]
    done = subprocess.run([*command, tag, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout
