"""`make images`, `push`, `digests`, `base-digests` and `sbom`: the images of docker-bake.hcl, with docker or without.

python -m deploy.images list | build [IMAGE...] | push [IMAGE...] | digests [IMAGE...] | base-digests | sbom FOLDER
[IMAGE...]; an IMAGE is a target such as `cpu-matting`. Without buildx, buildah builds and pushes, and skopeo tells
digests. Variables of docker-bake.hcl come from the environment, and the options of buildah and of a push,
BUILDAH_OPTIONS and PUSH_OPTIONS, such as `--network=host` and `--tls-verify=false`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

from deploy.sbom import write_sbom

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ("plain", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Image:
    """One image of docker-bake.hcl.

    Attributes:
        target: Name of the target, such as `cpu-matting`.
        stage: Build argument STAGE.
        extra: Build argument EXTRA.
        tag: Its name.
    """

    target: str
    stage: str
    extra: str
    tag: str


def images(variables: dict[str, str] | None = None) -> list[Image]:
    """Return every image of docker-bake.hcl.

    Args:
        variables: Values in place of the file's defaults.
    """
    bake = _bake()
    values = _defaults(bake) | (variables or {})
    found = []
    for group in GROUPS:
        for stage in _stages(bake, group):
            name = f"{values['REGISTRY']}/{stage.replace('_', '-')}:{values['VERSION']}"
            found.append(Image(f"{group}-{stage}", stage, group, name + ("-cuda" if group == "cuda" else "")))
    return found


def base_images(variables: dict[str, str] | None = None) -> dict[str, str]:
    """Return the build arguments PYTHON_IMAGE and CUDA_IMAGE, with digests where they are set."""
    values = _defaults(_bake()) | (variables or {})
    bases = {}
    for kind in ("PYTHON", "CUDA"):
        digest = values[f"{kind}_DIGEST"]
        bases[f"{kind}_IMAGE"] = values[f"{kind}_IMAGE"] + (f"@{digest}" if digest else "")
    return bases


def build(image: Image, variables: dict[str, str], options: Sequence[str]) -> None:
    """Build one image with buildah."""
    arguments = {"STAGE": image.stage, "EXTRA": image.extra, **base_images(variables)}
    command = ["buildah", "build", *options, "--layers", "--file", "deploy/docker/Dockerfile", "--tag", image.tag]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    subprocess.run([*command, "."], cwd=ROOT, check=True)


def push(image: Image, options: Sequence[str]) -> None:
    """Push one image that was built, by what built it."""
    program = "docker" if _has_docker() else "buildah"
    subprocess.run([program, "push", *options, image.tag], check=True)


class NoDigestError(RuntimeError):
    """A registry does not tell the digest of an image; the message says why."""


def digest(name: str) -> str:
    """Return the digest of an image in its registry, `sha256:...`: that of its list of platforms where it has one.

    Raises:
        NoDigestError: No program asks registries here, or the registry does not know the image.
    """
    if _has_docker():
        command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", name]
    elif shutil.which("skopeo"):
        command = ["skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}", f"docker://{name}"]
    else:
        raise NoDigestError("neither docker buildx nor skopeo is installed; one of them asks registries for digests")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout.strip()
    if done.returncode or not re.fullmatch("sha256:[0-9a-f]{64}", told):
        raise NoDigestError(f"{name}: {(done.stderr or told).strip() or 'the registry told no digest'}")
    return told


def digest_values(chosen: Sequence[Image]) -> str:
    """Return values of the chart that pin images, as YAML.

    Raises:
        NoDigestError: See `digest`.
    """
    lines = ["image:", "  digests:"]
    for image in chosen:
        name = image.stage.replace("_", "-") + ("-cuda" if image.extra == "cuda" else "")
        lines.append(f'    {name}: "{digest(image.tag)}"')
    return "\n".join(lines)


def base_digests(variables: dict[str, str]) -> str:
    """Return PYTHON_DIGEST and CUDA_DIGEST as a shell takes them.

    Raises:
        NoDigestError: See `digest`.
    """
    values = _defaults(_bake()) | variables
    return "\n".join(f"export {kind}_DIGEST={digest(values[f'{kind}_IMAGE'])}" for kind in ("PYTHON", "CUDA"))


def _has_docker() -> bool:
    """Say whether docker builds here, as the Makefile asks it."""
    if shutil.which("docker") is None:
        return False
    asked = (["docker", "buildx", "version"], ["docker", "info"])
    return all(subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in asked)


def main(words: Sequence[str]) -> int:
    """List, build or describe images; returns the exit code."""
    variables = {name: os.environ[name] for name in _defaults(_bake()) if os.environ.get(name)}
    known = {image.target: image for image in images(variables)}
    action, rest = (words[0], list(words[1:])) if words else ("", [])
    folder = Path(rest.pop(0)) if action == "sbom" and rest else None
    if (
        action not in ("list", "build", "push", "digests", "base-digests", "sbom")
        or (action == "sbom" and folder is None)
        or set(rest) - set(known)
    ):
        print(f"{__doc__}\nimages: {' '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[target] for target in rest] or [image for image in known.values() if image.extra != "cuda"]
    without_docker = action == "build" or (action == "push" and not _has_docker())
    if without_docker and shutil.which("buildah") is None:
        print("Error: neither docker buildx nor buildah is installed", file=sys.stderr)
        return 1
    try:
        if action == "digests":
            print(digest_values(chosen))
        elif action == "base-digests":
            print(base_digests(variables))
    except NoDigestError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    for image in chosen:
        if action == "list":
            print(image.target, image.tag)
        elif action == "build":
            build(image, variables, shlex.split(os.environ.get("BUILDAH_OPTIONS", "")))
        elif action == "push":
            push(image, shlex.split(os.environ.get("PUSH_OPTIONS", "")))
        elif folder is not None:
            print(write_sbom(image.tag, image.stage, folder))
    return 0


def _bake() -> dict[str, Any]:
    with (ROOT / "docker-bake.hcl").open() as file:
        return hcl2.load(file)


def _defaults(bake: dict[str, Any]) -> dict[str, str]:
    return {name.strip('"'): block["default"].strip('"') for entry in bake["variable"] for name, block in entry.items()}


def _stages(bake: dict[str, Any], group: str) -> list[str]:
    for entry in bake["target"]:
        for name, block in entry.items():
            if name.strip('"') == group:
                return [stage.strip('"') for stage in block["matrix"]["stage"]]
    raise KeyError(f"docker-bake.hcl has no target {group}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
