"""Traces: spans of what a process does, sent by OTLP where OpenTelemetry's own variables say so, and off otherwise.

Off, a span is one comparison, and OpenTelemetry is not imported. What arrives and leaves is W3C's trace context.
"""

import contextvars
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import structlog
from pydantic_settings import BaseSettings, SettingsConfigDict

from talkmill.address import without_secrets
from talkmill.version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

Kind = Literal["internal", "server", "client", "consumer"]
# The headers of W3C's trace context.
HEADERS = ("traceparent", "tracestate")
# What was not sent by then is lost: a process does not wait longer for a collector when it ends.
LAST_SECONDS = 3.0
_OFF = nullcontext()


class TracesError(ValueError):
    """Traces are asked for and cannot be sent; the message names the variable."""


class TraceSettings(BaseSettings):
    """OpenTelemetry's own variables, as far as they say whether traces are sent; its SDK reads the others itself.

    Attributes:
        exporter_otlp_endpoint: Where the collector listens, such as `http://127.0.0.1:4317`; off when empty.
        exporter_otlp_traces_endpoint: The same for traces alone; comes first.
        exporter_otlp_protocol: `grpc`, or empty.
        exporter_otlp_traces_protocol: The same for traces alone; comes first.
        traces_exporter: `otlp`, or `none` for off.
        sdk_disabled: `true` for off.
    """

    model_config = SettingsConfigDict(env_prefix="OTEL_", extra="ignore")

    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = ""
    exporter_otlp_traces_protocol: str = ""
    traces_exporter: str = ""
    sdk_disabled: str = ""

    @property
    def endpoint(self) -> str:
        """Where traces are sent; empty for off."""
        off = self.sdk_disabled.strip().lower() == "true" or self.traces_exporter.strip() == "none"
        return "" if off else (self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint).strip()

    def check(self) -> None:
        """Refuse what would be sent in another way than talkmill can; raises TracesError."""
        protocol = self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol
        if protocol.strip() not in ("", "grpc"):
            raise TracesError(f"OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent by grpc alone, not {protocol}")
        if self.traces_exporter.strip() not in ("", "otlp"):
            raise TracesError(f"OTEL_TRACES_EXPORTER: otlp or none is wanted, not {self.traces_exporter}")


_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


def start(service: str) -> bool:
    """Begin to send traces, where the environment says where to; a collector that is away stops nothing.

    Args:
        service: Name of the process in the traces, where OTEL_SERVICE_NAME names no other.

    Returns:
        Whether traces are on.

    Raises:
        TracesError: They are asked for, and the packages are not installed or a variable says what is not supported.
    """
    global _provider, _tracer
    settings = TraceSettings()
    if not settings.endpoint:
        return False
    settings.check()
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracesError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: pip install 'talkmill[traces]', "
            "or leave it unset"
        ) from error
    about = {"service.version": __version__, "service.instance.id": f"{socket.gethostname()}:{os.getpid()}"}
    resource = Resource.create(about)
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": service}))
    _tell_of_trouble()
    # Not the global provider: what other libraries would send by it is theirs.
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    _tracer = _provider.get_tracer("talkmill", __version__)
    log.info("traces are sent", endpoint=settings.endpoint, service=resource.attributes["service.name"])
    return True


def stop() -> None:
    """Send what is left, for three seconds at most, and turn traces off."""
    global _provider, _tracer
    if _provider is None:
        return
    ending = threading.Thread(target=_provider.shutdown, daemon=True)
    _provider = _tracer = None
    ending.start()
    ending.join(LAST_SECONDS)


def span(
    name: str, parent: "Context | None" = None, kind: Kind = "internal", **attributes: object
) -> AbstractContextManager[None]:
    """Return a context that is a span of the trace; it ends with an error where an exception leaves it.

    Args:
        name: One of few: what differs from clip to clip is an attribute.
        parent: Of `arrived` or `here`; the current span when None.
        kind: OpenTelemetry's.
        **attributes: Texts, numbers and truths, by their names without `talkmill.`; None is left out.
    """
    return _OFF if _tracer is None else _span(_tracer, name, parent, kind, attributes)


@contextmanager
def _span(
    tracer: "Tracer", name: str, parent: "Context | None", kind: Kind, attributes: Mapping[str, object]
) -> Iterator[None]:
    from opentelemetry.trace import SpanKind

    with tracer.start_as_current_span(
        name,
        parent,
        SpanKind[kind.upper()],
        _shown(attributes),
        # An exception's traceback may quote an address; `failed` tells what may be told.
        record_exception=False,
        set_status_on_exception=False,
    ):
        try:
            yield
        except Exception as error:
            failed(str(getattr(error, "reason", type(error).__name__)), str(error))
            raise


def note(**attributes: object) -> None:
    """Add attributes to the current span."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes(_shown(attributes))


def failed(reason: str, message: str) -> None:
    """Say that the current span ended with an error.

    Args:
        reason: Of the error table, or the name of an exception.
        message: For people.
    """
    if _tracer is not None:
        from opentelemetry.trace import StatusCode, get_current_span

        note(reason=reason)
        get_current_span().set_status(StatusCode.ERROR, without_secrets(message))


def here() -> "Context | None":
    """Return what makes the current span the parent of spans on other threads; None while traces are off."""
    if _tracer is None:
        return None
    from opentelemetry.context import get_current

    return get_current()


def headers() -> dict[str, str]:
    """Return the trace context of the current span, for gRPC's metadata or to be kept; empty where there is none.

    The span may be one of an application that has OpenTelemetry itself and calls the library.
    """
    found: dict[str, str] = {}
    if _tracer is not None or "opentelemetry.trace" in sys.modules:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(found)
    return found


def arrived(metadata: Iterable[tuple[str, str | bytes]]) -> "Context | None":
    """Return the parent that a trace context names; a new trace where it has none, None while traces are off.

    Args:
        metadata: Of a call, or the items of what `headers` returned.
    """
    if _tracer is None:
        return None
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = {key: value for key, value in metadata if key in HEADERS and isinstance(value, str)}
    return TraceContextTextMapPropagator().extract(carried, Context())


def ids() -> dict[str, str]:
    """Return trace_id and span_id of the current span as hex, for logs; empty while there is none."""
    if _tracer is None:
        return {}
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


def in_this_context(work: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Return work that has the current span as its own also on other threads."""
    context = contextvars.copy_context()
    return lambda *words: context.copy().run(work, *words)


def _shown(attributes: Mapping[str, object]) -> dict[str, Any]:
    return {
        f"talkmill.{name}": value if isinstance(value, bool | int | float) else without_secrets(str(value))
        for name, value in attributes.items()
        if value is not None
    }


class _Trouble(logging.Handler):
    """Hands what OpenTelemetry says of itself to the log of the process."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("traces cannot be sent as they should", said=record.getMessage())


def _tell_of_trouble() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [_Trouble()], False
    logger.setLevel(logging.WARNING)
    # A try that failed is followed by another one: what is told is what was lost.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
