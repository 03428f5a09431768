"""docs/licences.md names the images that install each package of its tables."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.images import images

ROOT = Path(__file__).parents[2]
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
PAGE = (ROOT / "docs/licences.md").read_text()
# Each row: packages, and where they are.
ROWS = [
    (re.sub(r" \(.*?\)", "", cells[0]).split(", "), cells[-1])
    for line in PAGE.splitlines()
    if line.startswith("| ") and (cells := line.strip("| ").split(" | "))[-1] not in ("images", "the CUDA images")
]


def group(name: str) -> list[Requirement]:
    found = []
    for item in GROUPS[name]:
        found += group(item["include-group"]) if isinstance(item, dict) else [Requirement(item)]
    return found


def installed(name: str, extra: str) -> set[str]:
    """Packages of an image, and what they need."""
    waiting, found = group(name) + group(extra), set()
    while waiting:
        wanted = waiting.pop()
        package = str(canonicalize_name(wanted.name))
        if package in found and not wanted.extras:
            continue
        found.add(package)
        try:
            needs = [Requirement(one) for one in requires(package) or []]
        except PackageNotFoundError:
            continue
        extras = wanted.extras or {""}
        waiting += [
            one for one in needs if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return found


IMAGES = {image.stage: installed(image.stage, image.extra) for image in images() if image.extra != "cuda"}


def named(cell: str) -> set[str]:
    """Images that a cell names: `all`, `all but A and B`, or `A, B`."""
    names = set(re.split(r", | and ", cell.removeprefix("all but ")))
    if cell == "all":
        return set(IMAGES)
    assert names <= set(IMAGES), cell
    return set(IMAGES) - names if cell.startswith("all but ") else names


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 8


@pytest.mark.parametrize(("packages", "cell"), ROWS, ids=[row[0][0] for row in ROWS])
def test_a_row_names_the_images_that_install_its_packages(packages: list[str], cell: str) -> None:
    for package in packages:
        assert {image for image, content in IMAGES.items() if package in content} == named(cell), package
