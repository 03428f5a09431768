"""One trace from the client to the last upload of the last stage, through retries and a restart."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.sources import GivenSource
from talkmill.pipeline.graph import GRAPH, names_of
from talkmill.telemetry import traces
from tests.collector import Collector, SentSpan, running_collector
from tests.orchestrator.conftest import QUICK, fast_sources, reachable, stop_hard, submit, wait_for_end
from tests.servers import FAST_STAGES, client_of, running_cluster, wait_until

SERVER, CONSUMER = 2, 5
MARK = "k3y0fth3c4st1e"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as found:
        yield found


@pytest.fixture(scope="module")
def traced(
    collector: Collector, fast_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    environment = fast_environment | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200",
    }  # fmt: skip
    folder = reachable(tmp_path_factory.mktemp("traced"))
    with running_cluster(folder, database="sqlite", stage_command=FAST_STAGES, environment=environment) as cluster:
        yield cluster


@pytest.fixture
def from_here(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process begins the traces of its runs, as `talkmill submit` does."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    assert traces.start("talkmill-client")
    yield
    traces.stop()


def trace_of(collector: Collector, run: str, name: str = "task finish") -> list[SentSpan]:
    """All spans of the trace that a run belongs to, once its last task has arrived."""
    run_id = run.removeprefix("runs/")

    def last() -> list[SentSpan]:
        return [
            span for span in collector.spans() if (span.name, span.attributes.get("talkmill.run")) == (name, run_id)
        ]

    wait_until(last, 30, "the end of the run has arrived")
    # Processes send on their own: what the others have is there a moment later.
    time.sleep(2)
    return collector.spans(last()[0].trace_id)


def children(spans: list[SentSpan]) -> dict[str, list[SentSpan]]:
    found = defaultdict(list)
    for span in spans:
        found[span.parent_id].append(span)
    return found


@pytest.mark.usefixtures("from_here")
def test_a_run_is_one_trace(traced: Cluster, collector: Collector, tmp_path: Path) -> None:
    with client_of(traced) as client:
        name = submit(client, fast_sources(tmp_path, ["ok_none", "poison_matting"]))
        assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    spans = trace_of(collector, name)
    run_id, below = name.removeprefix("runs/"), children(spans)
    (root,) = below[""]
    assert (root.service, root.name, root.attributes["talkmill.run"]) == ("talkmill-client", "submit", run_id)
    (created,) = [span for span in below[root.span_id] if span.name == "CreateRun"]
    assert sorted(span.name for span in below[root.span_id]) == ["CreateRun", "CreateUpload", "CreateUpload"]
    tasks = below[created.span_id]
    assert {(span.service, span.kind) for span in tasks} == {("talkmill-orchestrator", CONSUMER)}
    assert {span.name for span in tasks} == {f"task {name}" for name in ("intake", *names_of(), "finish")}
    assert len({(span.name, span.attributes.get("talkmill.source"), span.attributes.get("talkmill.clip")) for span in tasks}) == len(tasks)  # fmt: skip

    called = [span for span in tasks if span.name not in ("task intake", "task finish")]
    for task in called:
        (stage,) = below[task.span_id]
        node = next(node for node in GRAPH if f"task {node.name}" == task.name)
        assert (stage.service, stage.name, stage.kind) == (f"talkmill-{node.name}", f"stage {node.name}", SERVER)
        about = {"talkmill.stage": node.name, "talkmill.run": run_id}
        if node.scope != "run":
            about[f"talkmill.{node.scope}"] = task.attributes[f"talkmill.{node.scope}"]
        assert about.items() <= stage.attributes.items()
        assert about.items() <= task.attributes.items()
        if stage.attributes.get("talkmill.cached"):
            assert below[stage.span_id] == []
            continue
        parts = below[stage.span_id]
        kinds = [span.name for span in sorted(parts, key=lambda span: span.begin)]
        assert kinds[:2] == ["fetch", "execute"]
        assert set(kinds[2:]) == {"upload"}
        files = [span.attributes["talkmill.file"] for span in parts if span.name == "upload"]
        assert len(files) == len(set(files))
        assert "manifest.json" in files
        assert all(stage.begin <= span.begin <= span.end <= stage.end for span in parts)
        assert not [span for part in parts for span in below[part.span_id]]

    failed = [span for span in spans if span.error is not None]
    assert sorted(span.name for span in failed) == ["execute", "stage matting", "task matting"]
    assert {span.attributes["talkmill.reason"] for span in failed} == {"MATTE_LOST"}
    assert all("poisoned by the test" in (span.error or "") for span in failed)

    # Logs and traces meet.
    lines = [json.loads(line) for line in traced.log("matting").read_text().splitlines() if '"trace_id"' in line]
    stages = {span.span_id for span in spans if span.name == "stage matting"}
    assert stages == {line["span_id"] for line in lines if line["trace_id"] == root.trace_id}
    assert any(f'"trace_id": "{root.trace_id}"' in line for line in traced.log("orchestrator").read_text().splitlines())


def test_every_try_is_a_span(traced: Cluster, collector: Collector, tmp_path: Path) -> None:
    """A clip that kills its worker; and a client that knows nothing of traces."""
    with client_of(traced) as client:
        name = submit(client, fast_sources(tmp_path, ["killer_crop"]))
        assert wait_for_end(client, name).reason == "NO_CLIP"
    spans = trace_of(collector, name)
    (root,) = [span for span in spans if not span.parent_id]
    assert (root.service, root.name, root.kind) == ("talkmill-orchestrator", "CreateRun", SERVER)
    tries = [span for span in spans if span.name == "task crop"]
    lost = sorted(
        (span.attributes["talkmill.attempt"], span.attributes["talkmill.reason"]) for span in tries if span.error
    )
    assert [reason for _, reason in lost].count("LOST") >= 3
    assert lost[-1][1] == "WORKER_LOST"
    assert len({attempt for attempt, _ in lost}) == len(lost)


@pytest.mark.usefixtures("from_here")
def test_a_restarted_orchestrator_goes_on_with_the_trace(traced: Cluster, collector: Collector, tmp_path: Path) -> None:
    with client_of(traced) as client:
        name = submit(client, fast_sources(tmp_path, ["ok_none"] * 6))
        wait_until(
            lambda: any(s.succeeded_count for s in client.get(name).stages if s.stage == "split"), 60, "it began"
        )
        stop_hard(traced, "orchestrator")
        traced.control("start", "orchestrator")
        assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    spans = trace_of(collector, name)
    run_id = name.removeprefix("runs/")
    of_run = [span for span in collector.spans() if span.attributes.get("talkmill.run") == run_id]
    assert {span.trace_id for span in of_run} == {spans[0].trace_id}
    assert {"task download", "task fine_fit", "task pack", "stage pack"} <= {span.name for span in of_run}


def test_secrets_of_addresses_are_not_sent(traced: Cluster, collector: Collector) -> None:
    address = f"http://me:{MARK}@127.0.0.1:9/talk.mp4?token={MARK}"
    with client_of(traced) as client:
        name = client.create([GivenSource(address)], QUICK, 0).name
        assert wait_for_end(client, name).state == pb.STATE_FAILED
    spans = trace_of(collector, name)
    (failed,) = [span for span in spans if span.name == "stage download"]
    assert failed.error
    assert MARK.encode() not in collector.content


WITHOUT = """import runpy, sys
sys.modules["opentelemetry.exporter.otlp.proto.grpc.trace_exporter"] = None
runpy.run_module("talkmill", run_name="__main__")"""


@pytest.mark.parametrize("start", [["-m", "talkmill"], ["-c", WITHOUT]], ids=["installed", "not installed"])
def test_submit_begins_the_trace_where_it_can(
    traced: Cluster, collector: Collector, tmp_path: Path, start: list[str]
) -> None:
    (video,) = fast_sources(tmp_path, ["ok_none"])
    words = [*start, "submit", str(video), "--server", traced.server, "--size", "128", "--matting", "draft"]
    environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    with client_of(traced) as client:
        wait_for_end(client, name)
    (root,) = [span for span in trace_of(collector, name) if not span.parent_id]
    if start[0] == "-m":
        assert (root.service, root.name) == ("talkmill-client", "submit")
        assert "not traced" not in done.stderr
    else:
        assert (root.service, root.name) == ("talkmill-orchestrator", "CreateRun")
        assert "not traced: OTEL_EXPORTER_OTLP_ENDPOINT is set" in done.stderr


def test_a_collector_that_goes_away_is_no_matter(traced: Cluster, collector: Collector, tmp_path: Path) -> None:
    """The run succeeds, and a process ends when it is told to. No test comes after this one."""
    collector.stop()
    with client_of(traced) as client:
        name = submit(client, fast_sources(tmp_path, ["ok_none"] * 3))
        run = wait_for_end(client, name)
        assert (run.state, run.succeeded_clip_count) == (pb.STATE_SUCCEEDED, 3)
    wait_until(lambda: "traces cannot be sent" in traced.log("matting").read_text(), 30, "it is said")
    began, pid = time.monotonic(), traced.pid("matting")
    traced.control("signal", signal.SIGTERM.name, "matting")
    wait_until(lambda: traced.pid("matting") != pid, 30, "matting has ended")
    assert time.monotonic() - began < 15
    assert '"event": "stopped"' in traced.log("matting").read_text()
