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


# Prints of each test whether it is chosen, what it is, and what it needs; the models count, which have to be fetched.
COLLECT = """
import sys
import pytest

class Told:
    def pytest_deselected(self, items):
        self.tell("left", items)

    def pytest_collection_finish(self, session):
        self.tell("chosen", session.items)

    def tell(self, way, items):
        # Not imported before: pytest rewrites the asserts of this module, which is one of its plugins.
        from tests.needs import NEEDS
        for item in items:
            marks = {mark.name for mark in item.iter_markers()}
            print("TOLD", way, item.nodeid.split("[")[0], *(marks & NEEDS.keys()), *({"models"} & {*item.fixturenames}))

sys.exit(pytest.main(["--collect-only", "-qq", *sys.argv[1:]], plugins=[Told()]))
"""


@pytest.fixture(scope="module")
def collected() -> list[list[str]]:
    """Of every test: `chosen` by `make test` or `left`, its name, its needs."""
    command = [sys.executable, "-c", COLLECT, "-m", "not (servers or containers or assets or slow)"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line.split()[1:] for line in told.splitlines() if line.startswith("TOLD ")]


def test_what_wants_servers_or_files_is_not_in_make_test(collected: list[list[str]]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "NEEDS := servers or containers or assets or slow\n" in makefile
    chosen = {name for way, name, *_ in collected if way == "chosen"}
    assert not [name for name in chosen if name.startswith(("tests/orchestrator/", "tests/deploy/test_containers.py"))]
    assert not [name for name in chosen if name.endswith("::test_a_free_head_lies_on_bfm")]
    assert [name for name in chosen if name.startswith("tests/unit/geometry/test_conventions.py")]


def test_unit_tests_need_nothing(collected: list[list[str]]) -> None:
    """They are the loop of whoever changes the code: no network, no fit that takes its time, no video of the world."""
    units = [(name, needs) for _, name, *needs in collected if name.startswith("tests/unit/")]
    assert units
    assert [(name, needs) for name, needs in units if needs] == []
    # So it would be seen.
    others = {need for _, name, *needs in collected if name.startswith("tests/quality/") for need in needs}
    assert others == {"models", "assets", "slow"}
