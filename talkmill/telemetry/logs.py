"""Structured logs: JSON, or readable lines on a terminal."""

import logging
import sys
import threading
from typing import Any, TextIO

import structlog

from talkmill.address import all_without_secrets
from talkmill.telemetry import traces


def configure_logs(level: str, stream: TextIO = sys.stderr) -> None:
    """Send structlog's events to a stream.

    Args:
        level: `debug`, `info`, `warning` or `error`: what is shown.
        stream: Standard error for a command; `configure_server_logs` names that of a server.
    """
    structlog.configure(
        processors=[*_PROCESSORS, _renderer(stream)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def configure_server_logs(level: str) -> None:
    """Send everything that is logged in a process to standard output, line by line in one form.

    What libraries log by Python's `logging`, warnings, and what ends a thread or the process are treated like our own
    events: secrets are taken out of them. Libraries are heard from `warning` on.

    Args:
        level: Of our own events: `debug`, `info`, `warning` or `error`.
    """
    configure_logs(level, sys.stdout)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_PROCESSORS,
                _renderer(sys.stdout),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: _last_words(error, "main")
    threading.excepthook = lambda ended: _last_words(ended.exc_value, ended.thread.name if ended.thread else "a thread")
    sys.unraisablehook = lambda raised: _last_words(raised.exc_value, raised.err_msg or "a destructor")


def _last_words(error: BaseException | None, where: str) -> None:
    """Log what ends a process or a thread, or what nobody could catch; somebody's Ctrl-C is no fault."""
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        structlog.get_logger().critical("unexpected error", exc_info=error, where=where)


def _renderer(stream: TextIO) -> structlog.types.Processor:
    return structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()


def _with_trace(logger: Any, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Add trace_id and span_id where the line belongs to a span."""
    event.update(traces.ids())
    return event


def _without_secrets(logger: Any, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return {key: all_without_secrets(value if _is_plain(value) else str(value)) for key, value in event.items()}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float | dict | list | tuple)


# What every line goes through before it is written.
_PROCESSORS: tuple[structlog.types.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    _with_trace,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _without_secrets,
)
