"""What tests need beyond Python, make and the package registries, and what happens where it is missing.

`make test` runs the tests without a mark of NEEDS; `make test-all` runs the others after them. What is missing on a
machine is a skip with its name; in CI, which installs everything but a GPU, a skip is a failure.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NEEDS = {
    "servers": "real servers: MinIO, Postgres, Prometheus, the services and the orchestrator as processes",
    "containers": "podman and buildah",
    "assets": "real videos and labelled photographs beside the clone",
    "slow": "more than ten seconds: a quality that takes real work to see",
}
# A folder or a file of tests to what all of its tests need; a test may say more by a mark of its own.
PLACES = {
    "orchestrator": "servers",
    "contract": "servers",
    "deploy": "servers",
    "deploy/test_containers.py": "containers",
    "e2e/test_services.py": "servers",
    "e2e/test_crashes.py": "slow",
}
# A fixture to what every test that uses it needs.
FIXTURES = {"assets": "assets", "store_settings": "servers"}


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: needs {meaning}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        places = {path.as_posix() for path in [item.path.relative_to(TESTS), *item.path.relative_to(TESTS).parents]}
        needed = {need for place, need in PLACES.items() if place in places}
        needed |= {need for name, need in FIXTURES.items() if name in getattr(item, "fixturenames", ())}
        for need in needed:
            item.add_marker(need)


class SkipsFail:
    """In CI nothing but a GPU may be missing."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and not report.nodeid.startswith("tests/gpu/"):
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            self.skipped.append(f"{report.nodeid}: {why}")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.skipped and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.skipped:
            terminalreporter.write_line(f"SKIPPED, which CI takes for a failure: {line}", red=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    if os.environ.get("CI"):
        session.config.pluginmanager.register(SkipsFail())
