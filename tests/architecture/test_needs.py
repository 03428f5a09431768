"""`make test` runs what needs nothing, the unit tests among it; CI takes a skip for a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = """
import pytest

def test_runs():
    pass

def test_is_skipped():
    pytest.skip("podman is not installed")
"""
# What tests ask for that a unit test may not: a need, or the models, which have to be fetched.
ASKED = """
import sys
import pytest

class Asked:
    def pytest_collection_finish(self, session):
        # Not before: pytest rewrites the asserts of this module, which is one of its plugins.
        from tests.needs import NEEDS
        for item in session.items:
            marks = {mark.name for mark in item.iter_markers()}
            for name in sorted((marks & NEEDS.keys()) | ({"models"} & set(item.fixturenames))):
                print("ASKS", name, item.nodeid)

sys.exit(pytest.main(["--collect-only", "-qq", *sys.argv[1:]], plugins=[Asked()]))
"""


def asked(folder: str) -> list[str]:
    command = [sys.executable, "-c", ASKED, folder]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line.removeprefix("ASKS ") for line in found.splitlines() if line.startswith("ASKS ")]


def test_unit_tests_ask_for_nothing() -> None:
    """They are the loop of whoever changes the code: no network, no fit that takes its time, no video of the world."""
    assert asked("tests/unit") == []
    seen = {line.split()[0] for line in asked("tests/quality")}
    assert seen == {"models", "assets", "slow"}


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"CI": "true"}, 1)])
def test_a_skip_fails_in_ci_alone(tmp_path: Path, environment: dict[str, str], code: int) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.needs", "-q", "--rootdir", tmp_path, tmp_path]
    clean = {name: value for name, value in os.environ.items() if name != "CI"}
    # The plugin places files below tests/: those of this test have none.
    (tmp_path / "conftest.py").write_text(
        f"import tests.needs\ntests.needs.TESTS = __import__('pathlib').Path({str(tmp_path)!r})\n"
    )
    done = subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    assert ("podman is not installed" in done.stdout) == bool(code)


def test_what_wants_servers_or_files_is_not_in_make_test() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "NEEDS := servers or containers or assets or slow\n" in makefile
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-m",
        "not (servers or containers or assets or slow)",
    ]
    chosen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "tests/orchestrator/" not in chosen
    assert "tests/deploy/test_containers.py" not in chosen
    assert "test_a_free_head_lies_on_bfm" not in chosen
    assert "tests/unit/geometry/test_conventions.py" in chosen
