"""What an image bundles, as CycloneDX: its Python packages, the native libraries inside them, and the base's packages.

Read from the image itself, by a container that runs without a network.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

# Runs inside the image: nothing but the standard library is there for sure.
_INSIDE = """
import json, subprocess
from importlib.metadata import distributions
found = []
for one in distributions():
    files = [str(file) for file in one.files or ()]
    found.append({
        "name": one.name, "version": one.version,
        "licence": one.metadata.get("License-Expression") or one.metadata.get("License") or "",
        "classifiers": [c for c in one.metadata.get_all("Classifier") or () if c.startswith("License ::")],
        "libraries": sorted({file.rpartition("/")[2] for file in files if ".libs/" in file}),
    })
try:
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n"], capture_output=True, text=True)
    system = [line.split() for line in listed.stdout.splitlines()]
except OSError:
    system = []
print(json.dumps({"python": found, "system": system}))
"""


def contents(tag: str) -> dict[str, Any]:
    """Return what an image has installed.

    Returns:
        `python`: name, version, licence, classifiers and bundled libraries of each distribution; `system`: pairs of
        name and version.
    """
    command = [
        engine(),
        "run",
        "--rm",
        "--network=none",
        "--read-only",
        "--entrypoint",
        "/opt/talkmill/bin/python",
        tag,
    ]
    done = subprocess.run([*command, "-c", _INSIDE], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_sbom(tag: str, stage: str, folder: Path) -> Path:
    """Write an image's bill of materials; returns the file."""
    found, bom = contents(tag), Bom()
    bom.metadata.component = Component(name=f"talkmill-{stage}", type=ComponentType.CONTAINER, bom_ref=tag)
    for package in found["python"]:
        component = Component(
            name=package["name"],
            version=package["version"],
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", None, package["name"].lower(), package["version"]),
            licenses=[DisjunctiveLicense(name=licence_of(package))],
        )
        for library in package["libraries"]:
            component.components.add(Component(name=library, type=ComponentType.LIBRARY))
        bom.components.add(component)
    for name, version in found["system"]:
        bom.components.add(
            Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                purl=PackageURL("deb", "debian", name, version),
            )
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub('[^A-Za-z0-9.]+', '-', tag)}.cdx.json"
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=1))
    return path


def licence_of(package: dict[str, Any]) -> str:
    """Return what a distribution says of its licence, in one line."""
    stated = str(package["licence"]).strip()
    if stated and "\n" not in stated and len(stated) < 80:
        return stated
    classifiers = [classifier.rpartition(" :: ")[2] for classifier in package["classifiers"]]
    return " AND ".join(classifiers) or (stated.splitlines()[0][:80] if stated else "not stated")


def engine() -> str:
    """Return the program that runs containers here."""
    for program, probe in (("docker", ["docker", "info"]), ("podman", ["podman", "info"])):
        if shutil.which(program) and not subprocess.run(probe, capture_output=True, check=False).returncode:
            return program
    raise FileNotFoundError("neither docker nor podman runs here")
