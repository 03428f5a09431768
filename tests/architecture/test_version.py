"""One version: talkmill/version.py, and every file that cannot read it."""

import re
import tomllib
from pathlib import Path

import hcl2
import pytest
import yaml
from typer.testing import CliRunner

import talkmill
from talkmill.cli.app import app
from talkmill.version import __version__

ROOT = Path(__file__).parents[2]


def test_packaging_reads_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "talkmill.version.__version__"}
    assert talkmill.__version__ == __version__


def test_the_command_line_shows_it() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"talkmill {__version__}\n"


def test_the_chart_and_its_images_have_it() -> None:
    chart = yaml.safe_load((ROOT / "helm/talkmill/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert f"## {__version__}\n" in (ROOT / "helm/talkmill/UPGRADING.md").read_text()


def test_images_are_tagged_with_it() -> None:
    variables = hcl2.loads((ROOT / "docker-bake.hcl").read_text())["variable"]
    (default,) = [one['"VERSION"']["default"] for one in variables if '"VERSION"' in one]
    assert default.strip('"') == __version__


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_compose_runs_the_images_of_it(name: str) -> None:
    defaults = re.findall(r"\$\{VERSION:-([^}]*)\}", (ROOT / "deploy/compose" / name).read_text())
    assert set(defaults) == {__version__}


def test_what_people_read_says_it() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert f"Version {__version__}, " in (ROOT / "README.md").read_text()
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None and newest[1] == __version__
