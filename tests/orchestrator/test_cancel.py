"""A cancel that comes at any moment of any transaction of the ledger."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
import sqlalchemy as sa

from orchestrator.engine import FINISH, INTAKE, Task
from orchestrator.ledger.queueing import SOURCE_WINDOW
from talkmill.artifacts.manifest import Rejection
from talkmill.pipeline.graph import RunParameters, names_of
from tests.orchestrator.ledgers import ARTIFACT, CLIP_STAGES, Ledger, sources


def _intake(ledger: Ledger, run_id: str) -> None:
    (task,) = ledger.engine.take(INTAKE)
    assert ledger.executions.begin(task)
    ledger.executions.take_in(task, 0, sources(2), True)


def _until(stage: str) -> Callable[[Ledger, str], None]:
    def work(ledger: Ledger, run_id: str) -> None:
        _intake(ledger, run_id)
        for earlier in names_of():
            if earlier == stage:
                break
            ledger.handle(earlier)

    return work


# What is done before, and then the transaction that a cancel comes into.
TRANSACTIONS: dict[str, tuple[Callable[[Ledger, str], None] | None, Callable[[Ledger, Task], object], str]] = {
    "begin of intake": (None, lambda ledger, task: ledger.executions.begin(task), INTAKE),
    "take_in": (None, lambda ledger, task: ledger.executions.take_in(task, 0, sources(2), True), INTAKE),
    "take_in of a part": (
        None,
        lambda ledger, task: ledger.executions.take_in(task, 0, sources(SOURCE_WINDOW + 2), False),
        INTAKE,
    ),
    "begin of download": (_until("download"), lambda ledger, task: ledger.executions.begin(task), "download"),
    "end of download": (_until("download"), lambda ledger, task: ledger.succeed(task), "download"),
    "clips found": (_until("split"), lambda ledger, task: ledger.succeed(task), "split"),
    "source failed": (
        _until("split"),
        lambda ledger, task: ledger.executions.fail(task, Rejection("NO_FACE", "there is none")),
        "split",
    ),
    "begin of a clip": (_until(CLIP_STAGES[0]), lambda ledger, task: ledger.executions.begin(task), CLIP_STAGES[0]),
    "clip goes on": (_until(CLIP_STAGES[0]), lambda ledger, task: ledger.succeed(task), CLIP_STAGES[0]),
    "clip tried again": (
        _until(CLIP_STAGES[0]),
        lambda ledger, task: ledger.executions.again(task, 0.0, 100, lost=True),
        CLIP_STAGES[0],
    ),
    "clip done": (_until(CLIP_STAGES[-1]), lambda ledger, task: ledger.succeed(task), CLIP_STAGES[-1]),
    "packed": (_until("pack"), lambda ledger, task: ledger.succeed(task), "pack"),
    "pack failed": (
        _until("pack"),
        lambda ledger, task: ledger.executions.fail(task, Rejection("NO_CLIP", "there is none")),
        "pack",
    ),
}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_a_cancel_before_any_statement_of_a_transaction_ends_the_run_for_good(ledger: Ledger, name: str) -> None:
    before, transaction, stage = TRANSACTIONS[name]
    statement, reached = 0, True
    while reached:
        run_id = ledger.runs.create("", "", RunParameters(), 100, ARTIFACT)
        if before is not None:
            before(ledger, run_id)
        task = ledger.engine.take(stage)[0]
        if not name.startswith("begin"):
            assert ledger.executions.begin(task)
        reached = _with_a_cancel(ledger, run_id, statement, lambda task=task: transaction(ledger, task))
        view = ledger.runs.get(run_id)
        told = f"cancelled before statement {statement}"
        if view.row["state"] == "CANCELLED":
            states = {*view.source_states, *view.clip_states, *(state for of in view.stages.values() for state in of)}
            assert not states & {"PENDING", "RUNNING"}, told
        else:
            # The transaction ended the run before the cancel came.
            assert view.row["state"] == "FAILED" and name == "pack failed", told
        for waiting in list(ledger.engine.waiting.values()):
            assert ledger.executions.begin(waiting) is None, told
        ledger.engine.waiting.clear()
        statement += 1
    assert statement > 2


def _with_a_cancel(ledger: Ledger, run_id: str, statement: int, work: Callable[[], object]) -> bool:
    """Do a transaction with a cancel that begins before one of its statements; says whether it has so many.

    The cancel ends before that statement where nothing that was locked is in its way, else after the transaction.
    """
    mine, seen, cancels = threading.get_ident(), 0, ThreadPoolExecutor(1)
    found: list[Future[None]] = []

    def before_statement(*_: object) -> None:
        nonlocal seen
        if threading.get_ident() != mine:
            return
        if seen == statement:
            found.append(cancels.submit(ledger.runs.cancel, run_id))
            wait(found, 0.15)
        seen += 1

    sa.event.listen(ledger.database, "before_cursor_execute", before_statement)
    try:
        work()
    finally:
        sa.event.remove(ledger.database, "before_cursor_execute", before_statement)
    if not found:
        ledger.runs.cancel(run_id)
    for one in found:
        one.result(30)
    cancels.shutdown()
    return bool(found)


def test_a_run_that_fails_while_its_sources_go_on_leaves_nothing_open(ledger: Ledger) -> None:
    run_id = ledger.runs.create("", "", RunParameters(), 100, ARTIFACT)
    (intake,) = ledger.engine.take(INTAKE)
    assert ledger.executions.begin(intake)
    ledger.executions.take_in(intake, 0, sources(SOURCE_WINDOW + 2), False)
    going_on, waiting, *_ = ledger.engine.take("download")
    assert ledger.executions.begin(going_on)
    ledger.executions.fail(intake, Rejection("INTERNAL", "a line is no source"))
    ledger.succeed(going_on)
    assert ledger.executions.begin(waiting) is None
    view = ledger.runs.get(run_id)
    assert view.row["state"] == "FAILED"
    assert set(view.source_states) == {"CANCELLED"}
    assert not {state for of in view.stages.values() for state in of} & {"PENDING", "RUNNING"}
    assert ledger.runs.backlog()["download"][0] == 0


def test_a_cancel_before_any_statement_of_a_retry_ends_the_run_or_comes_too_early(ledger: Ledger) -> None:
    statement, reached, cancelled = 0, True, 0
    while reached:
        run_id = ledger.runs.create("", "", RunParameters(), 100, ARTIFACT)
        _until("split")(ledger, run_id)
        for task in ledger.engine.take("split"):
            assert ledger.executions.begin(task)
            ledger.executions.fail(task, Rejection("NO_FACE", "there is none"))
        (finish,) = ledger.engine.take(FINISH)
        assert ledger.executions.begin(finish)
        ledger.executions.end_run(finish, "FAILED", "NO_FACE", "no source gave a clip")
        assert ledger.runs.get(run_id).row["state"] == "FAILED"
        reached = _with_a_cancel(ledger, run_id, statement, lambda run_id=run_id: ledger.runs.retry(run_id, [], ""))
        view = ledger.runs.get(run_id)
        told = f"cancelled before statement {statement}"
        states = {*view.source_states, *view.clip_states, *(state for of in view.stages.values() for state in of)}
        if view.row["state"] == "CANCELLED":
            cancelled += 1
            assert not states & {"PENDING", "RUNNING"}, told
        else:
            # What had ended could not be cancelled; then it ran again.
            assert view.row["state"] == "RUNNING" and view.row["open_count"] == 2, told
        ledger.engine.waiting.clear()
        statement += 1
    assert cancelled > 2
