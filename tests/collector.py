"""A collector of traces in this process: what is sent to it by OTLP is looked at span by span."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True)
class SentSpan:
    """A span as it arrived; ids are hex, the parent of a root is empty."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    error: str | None
    attributes: dict[str, Any]
    begin: int
    end: int


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._lock = threading.Lock()
        self._spans: list[SentSpan] = []
        self.content = b""
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._lock:
            self.content += request.SerializeToString()
            for of_process in request.resource_spans:
                service = _values(of_process.resource.attributes)["service.name"]
                for span in (one for scope in of_process.scope_spans for one in scope.spans):
                    error = span.status.message if span.status.code == Status.STATUS_CODE_ERROR else None
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    times = (span.start_time_unix_nano, span.end_time_unix_nano)
                    self._spans.append(
                        SentSpan(service, span.name, *ids, span.kind, error, _values(span.attributes), *times)
                    )
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self, trace_id: str = "") -> list[SentSpan]:
        """What has arrived; of one trace where one is named."""
        with self._lock:
            return [span for span in self._spans if trace_id in ("", span.trace_id)]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector on loopback."""
    collector = Collector()
    try:
        yield collector
    finally:
        collector.stop()
