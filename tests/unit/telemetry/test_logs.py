"""What a server logs: one JSON object a line, whoever says it, and no secret of an address."""

import json
import subprocess
import sys
import textwrap

import pytest

ADDRESS = "https://user:hunter2@example.org/a.mp4?key=SECRET"
SAYS = {
    "a library": "logging.getLogger('library').warning('cannot read %s', address)",
    "a library's error": """
        try:
            raise ValueError(address)
        except ValueError:
            logging.getLogger('library').exception('it failed')
    """,
    "DBOS": "logging.getLogger('dbos').error('workflow %s', address, exc_info=ValueError(address))",
    "our own": "structlog.get_logger().error('it failed', exc_info=ValueError(address))",
    "a warning": "warnings.warn(address)",
    "a thread": "thread = threading.Thread(target=int, args=(address,)); thread.start(); thread.join()",
    "a task that nobody waits for": """
        async def work():
            async def fail():
                raise ValueError(address)
            asyncio.create_task(fail())
            await asyncio.sleep(0.01)
        asyncio.run(work())
        gc.collect()
    """,
    "a destructor": """
        class Dying:
            def __del__(self):
                raise ValueError(address)
        Dying()
    """,
    "the end": "raise ValueError(address)",
}


@pytest.mark.parametrize("who", SAYS)
def test_every_line_is_json_and_has_no_secret(who: str) -> None:
    program = f"""
import asyncio, gc, logging, threading, warnings
import structlog
from talkmill.telemetry.logs import configure_server_logs
configure_server_logs("info")
address = {ADDRESS!r}
{textwrap.dedent(SAYS[who])}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert told["level"] in {"warning", "error", "critical"}
    assert told["timestamp"].endswith("Z")
    assert "example.org/a.mp4" in line
    assert "SECRET" not in line and "hunter2" not in line


def test_libraries_are_heard_from_warnings_on() -> None:
    program = """
import logging
from talkmill.telemetry.logs import configure_server_logs
configure_server_logs("debug")
logging.getLogger("library").info("much")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == done.stderr == ""


def test_what_ends_a_thread_says_which() -> None:
    program = """
import threading
from talkmill.telemetry.logs import configure_server_logs
configure_server_logs("info")
threading.Thread(target=lambda: 1 / 0, name="leases").start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["where"] == "leases"


@pytest.mark.parametrize("ends", ["raise KeyboardInterrupt", "raise SystemExit(3)"])
def test_whoever_ends_a_server_is_no_fault(ends: str) -> None:
    program = f"""
from talkmill.telemetry.logs import configure_server_logs
configure_server_logs("info")
{ends}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stdout == done.stderr == ""
