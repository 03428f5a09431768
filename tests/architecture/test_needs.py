"""`make test` runs what needs nothing; CI takes a skip for a failure."""

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
