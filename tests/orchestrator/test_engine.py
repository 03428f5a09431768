"""What is used of DBOS 3.4.0, public and private, held on a real database. Each in a process: DBOS is a singleton."""

import subprocess
import sys
import textwrap

PRELUDE = """
import sys, time, threading
import sqlalchemy as sa
from orchestrator.dbos_engine import DbosEngine
from orchestrator.engine import Task
from orchestrator.ledger.database import open_database
url = sys.argv[1]
handled = []
def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, handled
        time.sleep(0.02)
def start(executor, handler, concurrency=None):
    engine = DbosEngine(url, executor, concurrency or {"crop": 2}, 0.05)
    engine.launch(handler)
    return engine, open_database(url, 4)
def task(number, attempt=0):
    return Task("run", "crop", f"clip{number}", 0, attempt)
"""


def run(url: str, script: str, expected: int = 0) -> str:
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(script), url]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == expected, result.stderr[-3000:]
    return result.stdout


def test_what_is_committed_is_handled_once_and_what_is_not_never(url: str) -> None:
    run(url, """
        engine, database = start("one", lambda task: handled.append(task.subject))
        with database.begin() as connection:
            engine.enqueue(connection, [task(1), task(1)], 1)
        with database.begin() as connection:
            engine.enqueue(connection, [task(1), task(2)], 1)
        try:
            with database.begin() as connection:
                engine.enqueue(connection, [task(3)], 1)
                raise KeyError
        except KeyError:
            pass
        until(lambda: len(handled) == 2)
        time.sleep(1)
        assert sorted(handled) == ["clip1", "clip2"], handled
        import os; os._exit(0)
    """)  # fmt: skip


def test_a_lower_priority_number_goes_first_and_delays_are_kept(url: str) -> None:
    run(url, """
        gate = threading.Event()
        def handle(task):
            handled.append(task.subject)
            gate.wait()
        engine, database = start("one", handle, {"crop": 1})
        with database.begin() as connection:
            engine.enqueue(connection, [task(0)], 100)
        until(lambda: handled == ["clip0"])
        with database.begin() as connection:
            engine.enqueue(connection, [task(1)], 200)
            engine.enqueue(connection, [task(2)], 5)
            engine.enqueue(connection, [task(3)], 1, delay_seconds=2)
        began = time.monotonic()
        gate.set()
        until(lambda: len(handled) == 4)
        assert handled == ["clip0", "clip2", "clip1", "clip3"], handled
        assert time.monotonic() - began > 1
        import os; os._exit(0)
    """)  # fmt: skip


def test_the_tasks_of_the_dead_are_recovered_and_of_the_living_are_not(url: str) -> None:
    run(url, """
        import os, signal
        def handle(task):
            if task.subject == "clip2":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        engine, database = start("dead", handle)
        with database.begin() as connection:
            engine.enqueue(connection, [task(1)], 1)
        time.sleep(1)
        with database.begin() as connection:
            engine.enqueue(connection, [task(2)], 1)
        time.sleep(30)
    """, expected=-9)  # fmt: skip
    run(url, """
        import os
        engine, database = start("living", lambda task: handled.append(task.subject))
        time.sleep(1)
        assert handled == []
        assert engine.recover(["dead", "living"]) == 0
        time.sleep(1)
        assert handled == []
        assert engine.recover(["living"]) == 1
        until(lambda: sorted(handled) == ["clip1", "clip2"])
        assert engine.recover(["living"]) == 0
        os._exit(0)
    """)  # fmt: skip


def test_cancelled_tasks_leave_and_ended_ones_are_forgotten(url: str) -> None:
    run(url, """
        import os
        gate = threading.Event()
        def handle(task):
            handled.append(task.subject)
            gate.wait()
        engine, database = start("one", handle, {"crop": 1})
        with database.begin() as connection:
            engine.enqueue(connection, [task(number) for number in range(5)], 1)
        until(lambda: handled == ["clip0"])
        engine.cancel([task(number) for number in range(1, 5)])
        gate.set()
        time.sleep(1)
        assert handled == ["clip0"], handled
        assert engine.forget(3600) == 0
        time.sleep(1)
        assert engine.forget(0.5) == 5
        assert engine.forget(0.5) == 0
        os._exit(0)
    """)  # fmt: skip


def test_the_body_of_a_task_is_json(url: str) -> None:
    run(url, """
        import os
        engine, database = start("one", handled.append)
        with database.begin() as connection:
            engine.enqueue(connection, [task(1)], 1)
        until(lambda: handled == [task(1)])
        with engine._engine.connect() as connection:
            table = engine._status
            row = connection.execute(sa.select(table)).mappings().one()
            assert "talkmill_json" in str(dict(row)), dict(row)
        os._exit(0)
    """)  # fmt: skip
