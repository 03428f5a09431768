"""Spans as a collector gets them, and nothing where none is named."""

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from talkmill.stages.errors import MatteLostError
from talkmill.telemetry import traces
from talkmill.telemetry.logs import configure_logs
from tests.collector import Collector, running_collector

# The example of W3C's recommendation.
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of whoever runs the tests say nothing."""
    for name in traces.TraceSettings.model_fields:
        monkeypatch.delenv(f"OTEL_{name.upper()}", raising=False)
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with running_collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        assert traces.start("talkmill-test")
        yield found
        traces.stop()


def test_nothing_is_traced_where_nothing_is_asked_for() -> None:
    """Not even loaded: in a process of its own, which knows nothing of other tests."""
    code = """if True:
        import sys
        from talkmill.stages import execution
        from talkmill.telemetry import traces
        assert traces.start("test") is False
        with traces.span("one", traces.arrived([("traceparent", "%s")]), "server", stage="matting"):
            traces.note(bytes=1)
            traces.failed("INTERNAL", "no")
            print(traces.headers(), traces.ids(), traces.here())
        traces.stop()
        assert not [name for name in sys.modules if name.startswith("opentelemetry")]
    """
    done = subprocess.run([sys.executable, "-c", code % PARENT], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("{} {} None\n", "")


def test_a_trace_goes_on_where_another_process_left_it(collector: Collector) -> None:
    called = [
        ("user-agent", "grpc"),
        ("traceparent", PARENT),
        ("tracestate", "vendor=1"),
        ("authorization", "Bearer x"),
    ]
    with traces.span("stage matting", traces.arrived(called), "server", stage="matting", run="12", clip=None):
        inside = traces.headers()
        with traces.span("fetch"):
            traces.note(bytes=3)
    with traces.span("task crop", traces.arrived(inside.items()), "consumer"):
        pass
    traces.stop()
    version, trace_id, parent_id, sampled = PARENT.split("-")
    found = {span.name: span for span in collector.spans()}
    outer = found["stage matting"]
    assert inside == {"traceparent": f"{version}-{trace_id}-{outer.span_id}-{sampled}", "tracestate": "vendor=1"}
    assert {span.trace_id for span in found.values()} == {trace_id}
    assert outer.parent_id == parent_id
    assert found["fetch"].parent_id == found["task crop"].parent_id == outer.span_id
    assert outer.attributes == {"talkmill.stage": "matting", "talkmill.run": "12"}
    assert found["fetch"].attributes == {"talkmill.bytes": 3}
    assert {span.service for span in found.values()} == {"talkmill-test"}
    assert all(span.error is None for span in found.values())
    assert b"Bearer" not in collector.content


@pytest.mark.parametrize("header", ["", "00-0-0-01", PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), "é"])
def test_what_is_no_trace_context_begins_a_trace(collector: Collector, header: str) -> None:
    with traces.span("outer"), traces.span("CreateRun", traces.arrived([("traceparent", header)]), "server"):
        pass
    traces.stop()
    found = {span.name: span for span in collector.spans()}
    assert found["CreateRun"].parent_id == ""
    assert found["CreateRun"].trace_id != found["outer"].trace_id


def test_an_error_has_its_reason_and_no_secret(collector: Collector) -> None:
    address = "https://me:secret1@example.com/a.mp4?token=secret2"
    with pytest.raises(MatteLostError), traces.span("execute", source=address):
        raise MatteLostError(f"{address} has no matte", measure=1.0, threshold=0.1)
    with pytest.raises(KeyError), traces.span("upload"):
        raise KeyError(address)
    traces.stop()
    found = {span.name: span for span in collector.spans()}
    assert found["execute"].attributes["talkmill.reason"] == "MATTE_LOST"
    assert found["upload"].attributes["talkmill.reason"] == "KeyError"
    assert found["execute"].error
    assert "https://example.com/a.mp4 has no matte" in found["execute"].error
    assert found["execute"].attributes["talkmill.source"] == "https://example.com/a.mp4"
    assert b"secret" not in collector.content


def test_other_threads_take_part(collector: Collector) -> None:
    def upload(name: str) -> None:
        with traces.span(f"upload {name}"):
            pass

    def publish(name: str) -> None:
        with traces.span(f"upload {name}", around):
            pass

    with traces.span("submit"):
        around = traces.here()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(traces.in_this_context(upload), "ab"))
        with traces.span("execute"):
            # As a stage that publishes, on its own thread and on another.
            publish("c")
            thread = threading.Thread(target=publish, args=("d",))
            thread.start()
            thread.join()
    traces.stop()
    found = {span.name: span for span in collector.spans()}
    assert found["submit"].parent_id == ""
    assert {found[f"upload {name}"].parent_id for name in "abcd"} == {found["submit"].span_id}


def test_logs_say_which_span_they_belong_to(collector: Collector) -> None:
    before, stream = structlog.get_config(), io.StringIO()
    configure_logs("info", stream)
    try:
        log = structlog.get_logger()
        log.info("before")
        with traces.span("stage crop", traces.arrived([("traceparent", PARENT)])):
            log.info("inside")
    finally:
        structlog.configure(**before)
    traces.stop()
    outside, inside = (json.loads(line) for line in stream.getvalue().splitlines())
    assert not {"trace_id", "span_id"} & set(outside)
    assert (inside["trace_id"], inside["span_id"]) == (PARENT.split("-")[1], collector.spans()[0].span_id)


def test_what_the_caller_does_not_record_is_not_sent(collector: Collector) -> None:
    with traces.span("stage crop", traces.arrived([("traceparent", PARENT.removesuffix("01") + "00")])):
        assert traces.headers()["traceparent"].endswith("-00")
    traces.stop()
    assert collector.spans() == []


def test_a_collector_that_is_away_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    assert traces.start("test")
    began = time.monotonic()
    # More than are kept for a collector that may come back.
    for _ in range(5000):
        with traces.span("execute"):
            pass
    traces.stop()
    assert time.monotonic() - began < traces.LAST_SECONDS + 7
    assert traces.headers() == {}


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317"}, "http://a:4317"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:1"},
            "http://b:1",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317", "OTEL_SDK_DISABLED": "True"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317", "OTEL_TRACES_EXPORTER": "none"}, ""),
    ],
)
def test_opentelemetrys_variables_say_where_to(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], endpoint: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert traces.TraceSettings().endpoint == endpoint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "console"),
    ],
)
def test_what_cannot_be_sent_as_asked_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setenv(name, value)
    with pytest.raises(traces.TracesError, match=value):
        traces.start("test")
    assert traces.headers() == {}


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    with pytest.raises(traces.TracesError, match=r"pip install 'talkmill\[traces\]'"):
        traces.start("test")


def test_the_name_of_a_service_is_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "faces-matting")
        traces.start("talkmill-matting")
        with traces.span("one"):
            pass
        traces.stop()
        assert {span.service for span in collector.spans()} == {"faces-matting"}
