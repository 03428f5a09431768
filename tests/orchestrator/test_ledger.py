"""The ledger's transactions on SQLite and Postgres, with deaths at named points between them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import sqlalchemy as sa

from orchestrator.engine import FINISH, INTAKE, Task
from orchestrator.leases import LeaseLostError, Leases
from orchestrator.ledger.database import NewerLedgerError, is_transient, migrate, now_of, until_answered
from orchestrator.ledger.queueing import SOURCE_WINDOW
from orchestrator.ledger.quotas import Uploads
from orchestrator.ledger.tables import metadata, source, stage_run, upload
from orchestrator.ledger.values import source_of
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import Rejection
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.naming import NamedSource, name_source
from talkmill.stages.errors import (
    AddressErasedError,
    ClipNotFoundError,
    InvalidRequestError,
    QuotaExceededError,
    RunNotEndedError,
    RunNotFoundError,
)
from tests.orchestrator.ledgers import (
    ARTIFACT,
    CLIP_STAGES,
    Ledger,
    Listing,
    sources,
)


def test_the_migration_is_what_the_tables_say(database: sa.Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrate(database)
    with database.connect() as connection:
        options = {"version_table": "talkmill_migration"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def _one_migration_back(database: sa.Engine) -> None:
    with database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE run DROP COLUMN trace_context"))
        connection.execute(sa.text("UPDATE talkmill_migration SET version_num = '0004'"))


def test_replicas_of_an_earlier_version_write_nothing_more_once_tables_change(database: sa.Engine) -> None:
    """A rolling update lets them run beside the new one, which migrates when it starts."""
    _one_migration_back(database)
    old, new = (Leases(database, name, 600.0, 10.0, 15.0) for name in ("old", "new"))
    ledger, at_work, go_on = Ledger(database), Event(), Event()
    ledger.executions._fence = old.check
    old.acquire()

    def work() -> int:
        """A transaction that is in the middle when the tables are to change, and wants one of them then."""
        with database.begin() as connection:
            old.check(connection)
            at_work.set()
            go_on.wait(30)
            return int(connection.execute(sa.text("SELECT count(*) FROM run")).scalar_one())

    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(work)
        assert at_work.wait(30)
        migrating = pool.submit(migrate, database)
        # Time for the migration to come to its first lock; what was begun is ended, and neither waits for the other.
        time.sleep(1.0)
        assert not migrating.done()
        go_on.set()
        assert working.result(30) == 0
        migrating.result(30)
    new.acquire()
    with pytest.raises(LeaseLostError), database.begin() as connection:
        old.check(connection)
    with pytest.raises(LeaseLostError):
        old._renew_once()
    # What an execution begins with is a transaction of the ledger.
    with pytest.raises(LeaseLostError):
        ledger.create(1)
    # Where nothing changes, as when the second of the new replicas starts, everybody goes on.
    migrate(database)
    with database.begin() as connection:
        new.check(connection)


def test_a_ledger_of_a_later_version_is_left_alone(database: sa.Engine) -> None:
    lease = Leases(database, "later", 600.0, 10.0, 15.0)
    lease.acquire()
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE talkmill_migration SET version_num = '9999'"))
    with pytest.raises(NewerLedgerError, match=r"has migration 9999, and this version knows \d{4} as the newest"):
        migrate(database)
    with database.begin() as connection:
        lease.check(connection)


def test_a_run_goes_through_every_stage_and_ends(ledger: Ledger) -> None:
    run_id = ledger.create(3)
    for stage in ("download", "split", *CLIP_STAGES):
        assert ledger.handle(stage) == 3
    assert ledger.handle("pack") == 1
    ledger.finish()
    view = ledger.runs.get(run_id)
    assert view.row["state"] == "SUCCEEDED"
    assert view.clip_states == {"SUCCEEDED": 3}
    assert view.frame_count == 75
    assert ledger.engine.waiting == {}
    assert [named.name for named, *_ in ledger.runs.results(run_id)] == ["0000", "0001", "0002"]


@pytest.mark.parametrize(
    ("kinds", "stages"),
    [
        (("video", "landmarks"), ("crop", "landmarks")),
        (("alpha", "landmarks"), ("matting", "crop", "landmarks")),
        (("frames", "coefficients"), ("matting", "crop", "landmarks", "coarse_fit")),
    ],
)
def test_a_run_for_some_kinds_goes_through_their_stages_alone(
    kinds: tuple[Kind, ...], stages: tuple[str, ...], ledger: Ledger
) -> None:
    run_id = ledger.create(3, kinds)
    ledger.handle("download")
    ledger.handle("split")
    assert {row["stage"] for row in ledger.runs.clips(run_id, 10, None, None)} == {stages[0]}
    for stage in stages:
        assert {task.stage for task in ledger.engine.waiting.values()} == {stage}
        assert ledger.handle(stage) == 3
    assert ledger.runs.get(run_id).seconds_left == 0
    assert ledger.handle("pack") == 1
    ledger.finish()
    assert ledger.runs.get(run_id).clip_states == {"SUCCEEDED": 3}
    assert {row["stage"] for row in ledger.runs.clips(run_id, 10, None, None)} == {stages[-1]}
    left = next(stage for stage in CLIP_STAGES if stage not in stages)
    with pytest.raises(InvalidRequestError, match=f"from_stage: the run has download, split, .*, and no {left}"):
        ledger.runs.retry(run_id, [], left)
    assert ledger.runs.retry(run_id, ["0001_000"], stages[-1]) == 1
    assert ledger.handle(stages[-1]) == 1
    assert ledger.handle("pack") == 1


def test_the_time_left_of_a_run_for_some_kinds_is_that_of_its_stages(ledger: Ledger) -> None:
    run_id = ledger.create(10, ("video",))
    ledger.handle("download")
    ledger.handle("split")
    for stage in ("crop", "landmarks"):
        first, *others = ledger.engine.take(stage)
        ledger.engine.waiting.update({task.id: task for task in others})
        ledger.executions.begin(first)
        ledger.succeed(first)
    with ledger.database.begin() as connection:
        now = now_of(ledger.database)
        connection.execute(stage_run.update().values(started_at=now - 2, ended_at=now))
    # The clock goes on while this machine does something else; with every stage it would be 26.
    assert ledger.runs.get(run_id).seconds_left == pytest.approx(9 * 2 + 2, abs=3)


@pytest.mark.parametrize("headers", [{}, {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "tracestate": "vendor=1"}])
def test_every_execution_of_a_run_has_its_trace(ledger: Ledger, headers: dict[str, str]) -> None:
    ledger.runs.create("", "", RunParameters(), 100, ARTIFACT, trace_context=headers)
    (intake,) = ledger.engine.take(INTAKE)
    opened = [ledger.executions.begin(intake)]
    ledger.executions.take_in(intake, 0, sources(1), True)
    (first,) = ledger.engine.take("download")
    ledger.executions.again(first, 0.0, 100, retried=True)
    (second,) = ledger.engine.take("download")
    opened.append(ledger.executions.begin(second))
    ledger.succeed(second)
    opened += [ledger.executions.begin(task) for task in ledger.engine.take("split")]
    assert [one.trace_context for one in opened if one] == [headers] * 3


def secret_source(name: str) -> NamedSource:
    return name_source(f"https://me:pw@example.com/{name}.mp4?key=SECRET", "", "", 0, None, False, "train")


def test_an_address_is_in_the_ledger_until_it_is_downloaded(ledger: Ledger) -> None:
    (plain_source,) = sources(1)
    run_id = ledger.create(0, named=[secret_source("a"), secret_source("b"), plain_source])
    assert not ledger.runs.wants_list(ARTIFACT)
    a, b, plain = ledger.engine.take("download")
    opened = ledger.executions.begin(a)
    assert opened is not None
    assert opened.source == secret_source("a")
    # Nothing but the one column holds it, and nothing that is shown does.
    clips = ledger.runs.clips(run_id, 10, None, None)
    assert "SECRET" not in repr([dict(row) for row in clips])
    assert "SECRET" not in repr([named for named, *_ in ledger.runs.sources(run_id)])
    assert ledger.dump().count("SECRET") == 2
    ledger.succeed(a)
    assert ledger.dump().count("SECRET") == 1
    # A source that failed may be retried: its address stays for a while after the end of the run.
    assert ledger.executions.begin(b)
    ledger.executions.fail(b, Rejection("DOWNLOAD_FAILED", "the network"))
    assert ledger.executions.begin(plain)
    ledger.succeed(plain)
    for stage in ("split", *CLIP_STAGES, "pack"):
        ledger.handle(stage)
    assert ledger.runs.erase_addresses(0) == 0
    ledger.finish()
    assert ledger.runs.erase_addresses(3600) == 0
    assert ledger.runs.retry(run_id, [], "") == 1
    (again,) = ledger.engine.take("download")
    opened = ledger.executions.begin(again)
    assert opened is not None
    assert opened.source == secret_source("b")
    ledger.executions.fail(again, Rejection("DOWNLOAD_FAILED", "the network"))
    ledger.handle("pack")
    ledger.finish()
    assert ledger.runs.erase_addresses(0) == 1
    assert "SECRET" not in ledger.dump()
    # What had no secret can be downloaded again.
    assert ledger.runs.retry(run_id, ["0000"], "download") == 1
    (task,) = ledger.engine.take("download")
    opened = ledger.executions.begin(task)
    assert opened is not None
    assert opened.source == plain_source


def test_what_cannot_be_downloaded_again_keeps_its_clips(ledger: Ledger) -> None:
    """A retry says so where it is named, and leaves it as it is beside others."""
    run_id = ledger.create(0, named=[secret_source("a"), *sources(1)])
    for stage in ("download", "split"):
        assert ledger.handle(stage) == 2
    lost = Rejection("CORRUPT_INPUT", "the download cannot be read")
    for task in ledger.engine.take(CLIP_STAGES[0]):
        assert ledger.executions.begin(task)
        ledger.executions.fail(task, lost, "download")
    ledger.handle("pack")
    ledger.finish()
    for names, from_stage in ((["a_000"], ""), (["a"], "download"), (["0000", "a"], "download")):
        with pytest.raises(
            AddressErasedError, match=r"no longer has the whole address of https://example\.com/a\.mp4,"
        ):
            ledger.runs.retry(run_id, names, from_stage)
    assert ledger.runs.get(run_id).ended
    assert ledger.runs.retry(run_id, [], "") == 1
    assert [task.subject for task in ledger.engine.take("download")] == ["0000"]
    states = {row["name"]: row["state"] for row in ledger.runs.clips(run_id, 10, None, None)}
    assert states == {"a_000": "FAILED", "0000": "PENDING"}
    # From split on nothing is downloaded.
    ledger.runs.cancel(run_id)
    ledger.engine.waiting.clear()
    assert ledger.runs.retry(run_id, ["a"], "split") == 1
    assert ledger.handle("split") == 1
    assert ledger.handle(CLIP_STAGES[0]) == 1


def test_addresses_of_earlier_versions_are_taken_apart(database: sa.Engine) -> None:
    shown, whole = "https://example.com/a.mp4", "https://me:pw@example.com/a.mp4?key=SECRET"
    ledger = Ledger(database)
    run_id = ledger.create(3)
    given = {"name": "a", "original_name": whole, "uri": whole, "sha256": "", "size_bytes": 0, "person": None,
             "link": False, "split": "train", "upload": None}  # fmt: skip
    outputs = {"source": None, "provenance": {"uri": whole, "title": "a talk"}}
    with database.begin() as connection:
        for name, state, stage in (("0000", "SUCCEEDED", "split"), ("0001", "FAILED", "download")):
            mine = (source.c.run_id == run_id) & (source.c.name == name)
            values = {"given": json.dumps(given), "state": state, "stage": stage, "message": f"{whole} answers 404"}
            connection.execute(source.update().where(mine).values(**values))
        mine = (stage_run.c.run_id == run_id) & (stage_run.c.stage == "download")
        connection.execute(stage_run.update().where(mine).values(outputs=json.dumps(outputs)))
        connection.execute(sa.text("DROP TABLE upload"))
        connection.execute(sa.text("ALTER TABLE run DROP COLUMN trace_context"))
        connection.execute(sa.text("ALTER TABLE run DROP COLUMN announced_count"))
        connection.execute(sa.text("ALTER TABLE source DROP COLUMN address"))
        connection.execute(sa.text("UPDATE talkmill_migration SET version_num = '0002'"))
    migrate(database)
    with database.connect() as connection:
        rows = {row["name"]: row for row in connection.execute(sa.select(source)).mappings()}
    assert {name: row["address"] for name, row in rows.items()} == {"0000": "", "0001": whole, "0002": None}
    assert rows["0001"]["message"] == f"{shown} answers 404"
    assert source_of(rows["0001"]["given"], rows["0001"]["address"]) == name_source(
        whole, whole, "", 0, None, False, "train"
    )
    assert ledger.dump().count("SECRET") == 1


def test_a_quota_counts_what_an_owner_has_open(ledger: Ledger) -> None:
    def create(owner: str, count: int, limit: int | None) -> str:
        return ledger.runs.create(owner, "", RunParameters(), 100, ARTIFACT, count, limit)

    first = create("ann", 3, 5)
    with pytest.raises(QuotaExceededError, match=r"limit of the token is 5; other runs have 3 sources .* run has 3"):
        create("ann", 3, 5)
    # Nothing of what was refused is there, and another owner has a quota of its own.
    assert len(ledger.runs.latest("ann", 10, None)) == 1
    assert len(ledger.engine.take(INTAKE)) == 1
    create("bob", 5, 5)
    ledger.engine.waiting.clear()
    # Taken in, what was announced counts once; a source that becomes clips counts as these.
    intake = Task(first, INTAKE, "", 0, 0)
    assert ledger.executions.begin(intake)
    ledger.executions.take_in(intake, 0, sources(2), False)
    with pytest.raises(QuotaExceededError, match="other runs have 3 "):
        create("ann", 3, 5)
    ledger.executions.take_in(intake, 2, sources(3)[2:], True)
    with pytest.raises(QuotaExceededError, match="other runs have 3 "):
        create("ann", 3, 5)
    for stage in ("download", "split"):
        assert ledger.handle(stage) == 3
    (begun, *_) = ledger.engine.take(CLIP_STAGES[0])
    assert ledger.executions.begin(begun)
    ledger.executions.fail(begun, Rejection("MATTE_LOST", "gone"))
    second = create("ann", 3, 5)
    # What has ended counts no more, and what is run again counts again.
    ledger.runs.cancel(first)
    create("ann", 2, 5)
    with pytest.raises(QuotaExceededError, match=r"other runs have 5 sources .* this run has 3"):
        ledger.runs.retry(first, [], "", 5)
    assert ledger.runs.get(first).row["state"] == "CANCELLED"
    ledger.runs.cancel(second)
    assert ledger.runs.retry(first, [], "", 5) == 3


def test_no_two_requests_at_once_pass_a_quota(ledger: Ledger) -> None:
    def create(_: int) -> bool:
        try:
            ledger.runs.create("ann", "", RunParameters(), 100, ARTIFACT, 1, 3)
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(create, range(12))) == 3


def test_a_quota_counts_uploads_until_a_run_takes_them_in(ledger: Ledger) -> None:
    def announced(name: str, size_bytes: int) -> Artifact:
        return Artifact("talkmill-work", f"uploads/0/{'0' * 64}/{name}", "0" * 64, size_bytes, "")

    uploads, video = Uploads(ledger.database), announced("a.mp4", 60)
    uploads.announce("ann", video, 100)
    uploads.announce("ann", video, 100)
    with pytest.raises(QuotaExceededError, match=r"limit of the token is 100; 60 are uploaded .* this file has 41"):
        uploads.announce("ann", announced("b.mp4", 41), 100)
    uploads.announce("bob", announced("c.mp4", 100), 100)
    uploads.announce("ann", announced("d.mp4", 40), 100)
    # A run takes its videos and its list in.
    run_id = ledger.runs.create("ann", "", RunParameters(), 100, announced("d.mp4", 40))
    (intake,) = ledger.engine.take(INTAKE)
    assert ledger.executions.begin(intake)
    named = name_source("a.mp4", "a.mp4", "0" * 64, 60, None, False, "train", video)
    ledger.executions.take_in(intake, 0, [named], True)
    uploads.announce("ann", announced("e.mp4", 100), 100)
    assert ledger.runs.get(run_id).row["source_count"] == 1
    # What did not come is forgotten, what lies there counts on.
    assert uploads.look(lambda key: False) == 0
    with ledger.database.begin() as connection:
        connection.execute(upload.update().values(check_at=0.0))
    asked: list[str] = []
    assert uploads.look(lambda key: asked.append(key) or key.endswith("c.mp4")) == 1  # type: ignore[func-returns-value]
    assert len(asked) == 2
    assert uploads.look(lambda key: False) == 0
    uploads.announce("ann", announced("f.mp4", 100), 100)
    with pytest.raises(QuotaExceededError, match=r"limit of the token is 100; 100 are"):
        uploads.announce("bob", announced("g.mp4", 1), 100)


@pytest.mark.parametrize("point", ["after begin", "after the stage ended", "after the commit"])
def test_a_death_at_any_point_changes_nothing(point: str, ledger: Ledger) -> None:
    """The engine gives a task of a dead replica to another one, whatever was reached."""
    run_id = ledger.create(2)
    ledger.handle("download")
    tasks = ledger.engine.take("split")
    for task in tasks:
        assert ledger.executions.begin(task) is not None
        if point == "after the commit":
            ledger.succeed(task)
    # Another replica handles the same tasks again, from the start.
    for task in tasks:
        opening = ledger.executions.begin(task)
        assert (opening is None) == (point == "after the commit")
        ledger.succeed(task)
        # And a third that was frozen writes late: nothing becomes visible twice.
        ledger.succeed(task)
        ledger.executions.fail(task, Rejection("NO_FACE", "too late"))
        ledger.executions.again(task, 1, 100)
    assert ledger.runs.get(run_id).clip_states == {"PENDING": 2}
    assert len(ledger.engine.waiting) == 2
    for stage in CLIP_STAGES:
        assert ledger.handle(stage) == 2
    assert ledger.handle("pack") == 1


def test_the_time_left_is_told_once_every_stage_has_shown_its_pace(ledger: Ledger) -> None:
    """Ten clips; one goes ahead, and each of its stages took two of the last ten seconds."""
    run_id = ledger.create(10)
    ledger.handle("download")
    ledger.handle("split")
    for stage in CLIP_STAGES:
        first, *others = ledger.engine.take(stage)
        ledger.engine.waiting.update({task.id: task for task in others})
        assert ledger.runs.get(run_id).seconds_left is None, stage
        ledger.executions.begin(first)
        ledger.succeed(first)
    with ledger.database.begin() as connection:
        # As if all had ended just now: how long the test itself took is not in it.
        now = now_of(ledger.database)
        connection.execute(stage_run.update().values(started_at=now - 2, ended_at=now))
    # Nine clips, one in two seconds, and the last one through the four stages behind.
    assert ledger.runs.get(run_id).seconds_left == pytest.approx(9 * 2 + 4 * 2, abs=3)


def test_who_lost_its_lease_writes_nothing(ledger: Ledger) -> None:
    ledger.create(1)
    (task,) = ledger.engine.take("download")
    ledger.executions.begin(task)
    ledger.fenced = True
    for write in (
        lambda: ledger.succeed(task),
        lambda: ledger.executions.fail(task, Rejection("NO_FACE", "no")),
        lambda: ledger.executions.again(task, 1, 100),
        lambda: ledger.executions.begin(task),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert ledger.engine.waiting == {}


def test_a_dead_letter_keeps_its_reason_and_the_run_goes_on(ledger: Ledger) -> None:
    run_id = ledger.create(3)
    ledger.handle("download")
    first, *others = ledger.engine.take("split")
    ledger.executions.begin(first)
    ending = ledger.executions.fail(first, Rejection("NO_FACE", "no face is seen", 0.0, 1.0))
    assert ending.dead_letter == ("split", "NO_FACE")
    for task in others:
        ledger.executions.begin(task)
        ledger.succeed(task)
    for stage in CLIP_STAGES:
        ledger.handle(stage)
    ledger.handle("pack")
    ledger.finish()
    (row,) = ledger.runs.clips(run_id, 10, None, "FAILED")
    assert (row["reason"], row["message"], row["measure"], row["threshold"]) == ("NO_FACE", "no face is seen", 0.0, 1.0)
    assert row["is_source"]


def test_a_run_without_a_clip_skips_pack(ledger: Ledger) -> None:
    ledger.create(2)
    for task in ledger.engine.take("download"):
        ledger.executions.begin(task)
        ledger.executions.fail(task, Rejection("DOWNLOAD_REFUSED", "no"))
    assert [task.stage for task in ledger.engine.waiting.values()] == [FINISH]


def test_losses_and_retries_are_counted_and_delayed(ledger: Ledger) -> None:
    ledger.create(1)
    (task,) = ledger.engine.take("download")
    ledger.executions.begin(task)
    ledger.executions.again(task, 4.0, 100, lost=True)
    (second,) = ledger.engine.take("download")
    assert (second.attempt, ledger.engine.delays[second.id]) == (1, 4.0)
    opening = ledger.executions.begin(second)
    assert (opening.losses, opening.retries) == (1, 0)
    ledger.executions.again(second, 2.0, 100, retried=True)
    (third,) = ledger.engine.take("download")
    opening = ledger.executions.begin(third)
    assert (opening.losses, opening.retries) == (1, 1)
    # A try that is over begins no more.
    assert ledger.executions.begin(task) is None


def test_a_replica_that_is_lost_in_the_intake_is_counted_and_one_in_a_stage_is_not(ledger: Ledger) -> None:
    run_id = ledger.runs.create("", "", RunParameters(), 5, ARTIFACT)
    (intake,) = ledger.engine.take(INTAKE)
    for losses in range(4):
        # Nobody ended it: it is begun anew.
        opening = ledger.executions.begin(intake)
        assert opening is not None and opening.losses == losses
    assert ledger.executions.take_in(intake, 0, sources(1), last=True)
    (task,) = ledger.engine.take("download")
    for _ in range(2):
        opening = ledger.executions.begin(task)
        assert opening is not None and opening.losses == 0
    assert run_id == task.run_id


def test_sources_come_in_a_window_and_in_batches_that_can_be_repeated(ledger: Ledger) -> None:
    run_id = ledger.runs.create("", "", RunParameters(), 100, ARTIFACT)
    (intake,) = ledger.engine.take(INTAKE)
    ledger.executions.begin(intake)
    many = sources(SOURCE_WINDOW + 20)
    assert ledger.executions.take_in(intake, 0, many[:400], False)
    # The replica died after the commit: the next one begins from the first batch again.
    assert ledger.executions.take_in(intake, 0, many[:400], False)
    assert ledger.executions.take_in(intake, 400, many[400:], True)
    assert len(ledger.engine.waiting) == SOURCE_WINDOW
    assert ledger.runs.backlog()["download"][0] == SOURCE_WINDOW + 20
    ledger.handle("download")
    # A source that has become clips makes room for another.
    assert len(ledger.engine.waiting) == SOURCE_WINDOW
    ledger.handle("split")
    assert len(ledger.engine.take("download")) == 20
    assert ledger.runs.get(run_id).row["source_count"] == SOURCE_WINDOW + 20


def test_a_cancelled_run_takes_nothing_up(ledger: Ledger) -> None:
    run_id = ledger.create(3)
    first, second, third = ledger.engine.take("download")
    ledger.executions.begin(first)
    ledger.runs.cancel(run_id)
    assert set(ledger.engine.cancelled) == {first.id, second.id, third.id}
    ledger.succeed(first)
    assert ledger.executions.begin(second) is None
    assert ledger.engine.waiting == {}
    assert ledger.runs.get(run_id).source_states == {"CANCELLED": 3}
    assert ledger.runs.cancelled([run_id, "other"]) == {run_id}
    ledger.runs.cancel(run_id)
    # What comes back from it runs again, with another name for the engine.
    assert ledger.runs.retry(run_id, [], "") == 3
    again = ledger.engine.take("download")
    assert {task.generation for task in again} == {1}
    assert not {task.id for task in again} & {first.id, second.id, third.id}
    # What was only cancelled may find what is kept.
    assert not ledger.executions.begin(again[0]).skip_cache


def test_a_retry_of_a_failed_clip_does_not_ask_the_cache(ledger: Ledger) -> None:
    run_id = ledger.create(2)
    for stage in ("download", "split"):
        ledger.handle(stage)
    bad, good = ledger.engine.take("matting")
    ledger.executions.begin(bad)
    ledger.executions.fail(bad, Rejection("MATTE_LOST", "lost"))
    ledger.engine.waiting[good.id] = good
    for stage in (*CLIP_STAGES, "pack"):
        ledger.handle(stage)
    ledger.finish()
    assert ledger.runs.retry(run_id, [], "") == 1
    (again,) = ledger.engine.take("matting")
    assert again.subject == bad.subject
    assert ledger.executions.begin(again).skip_cache
    ledger.succeed(again)
    for stage in (*CLIP_STAGES[1:], "pack"):
        assert ledger.handle(stage) == 1
    ledger.finish()
    assert ledger.runs.get(run_id).clip_states == {"SUCCEEDED": 2}


def test_what_cannot_be_retried_is_said_so(ledger: Ledger) -> None:
    with pytest.raises(RunNotFoundError):
        ledger.runs.retry("nobody", [], "")
    run_id = ledger.create(1)
    with pytest.raises(RunNotEndedError):
        ledger.runs.retry(run_id, [], "")
    with pytest.raises(InvalidRequestError):
        ledger.runs.retry(run_id, [], "pack")
    for stage in ("download", "split", *CLIP_STAGES, "pack"):
        ledger.handle(stage)
    ledger.finish()
    with pytest.raises(ClipNotFoundError, match="every clip succeeded"):
        ledger.runs.retry(run_id, [], "")
    with pytest.raises(ClipNotFoundError, match="nobody"):
        ledger.runs.retry(run_id, ["nobody"], "")


def test_a_request_that_is_repeated_gives_its_run(ledger: Ledger) -> None:
    first = ledger.runs.create("ann", "request", RunParameters(), 100, ARTIFACT)
    assert ledger.runs.create("ann", "request", RunParameters(), 100, ARTIFACT) == first
    assert ledger.runs.create("ann", "another", RunParameters(), 100, ARTIFACT) != first
    assert len(ledger.engine.waiting) == 2
    # An id is the owner's: another's request of the same id is another run.
    assert ledger.runs.find_request("ann", "request") == first
    assert ledger.runs.find_request("bob", "request") is None
    second = ledger.runs.create("bob", "request", RunParameters(), 100, ARTIFACT)
    assert second != first
    assert [ledger.runs.owner(run_id) for run_id in (first, second)] == ["ann", "bob"]


def test_runs_are_listed_page_by_page(ledger: Ledger) -> None:
    ids = [ledger.runs.create("ann", "", RunParameters(), 100, ARTIFACT) for _ in range(5)]
    other = ledger.runs.create("bob", "", RunParameters(), 100, ARTIFACT)
    assert ledger.runs.latest("bob", 9, None) == [other]
    assert set(ledger.runs.latest(None, 9, None)) == {*ids, other}
    seen: list[str] = []
    before = None
    while page := ledger.runs.latest("ann", 2, before):
        seen += page
        before = (ledger.runs.get(page[-1]).row["created_at"], page[-1])
    # Runs of one moment stand in the order of their ids.
    assert seen == sorted(ids, key=lambda run_id: (ledger.runs.get(run_id).row["created_at"], run_id), reverse=True)


def test_a_lease_runs_out_and_its_owner_notices(database: sa.Engine) -> None:
    deaths: list[int] = []
    engine = Listing()
    engine.recover = lambda live: deaths.append(len(live)) or 1  # type: ignore[method-assign, assignment]
    frozen = Leases(database, "frozen", -1.0, 1, 1)
    alive = Leases(database, "alive", 30.0, 1, 1)
    frozen.acquire()
    alive.acquire()
    with database.begin() as connection:
        frozen.check(connection)
    assert alive.reap(engine) == 1
    assert deaths == [1]
    with database.begin() as connection, pytest.raises(LeaseLostError):
        frozen.check(connection)
    with pytest.raises(LeaseLostError):
        frozen._renew_once()
    # One that is dead itself recovers nobody.
    assert frozen.reap(engine) == 0
    alive._renew_once()
    alive.release()


def test_transactions_wait_for_a_database_that_is_away() -> None:
    calls = []

    def work() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise sa.exc.OperationalError("select", {}, Exception("away"))
        return "done"

    assert until_answered(work, "test") == "done"
    assert not is_transient(ValueError())
    with pytest.raises(ValueError, match="a defect"):
        until_answered(lambda: (_ for _ in ()).throw(ValueError("a defect")), "test")


def test_rows_of_the_backlog_are_those_that_are_open(ledger: Ledger) -> None:
    ledger.create(4)
    ledger.handle("download")
    count, age = ledger.runs.backlog()["split"]
    assert count == 4
    assert 0 <= age < 60
    with ledger.database.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(stage_run)).scalar() == 9
