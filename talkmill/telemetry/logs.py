"""Structured logs: JSON, or readable lines on a terminal."""

import logging
import sys
from typing import Any, TextIO

import structlog

from talkmill.address import all_without_secrets
from talkmill.telemetry import traces


def configure_logs(level: str, stream: TextIO = sys.stderr) -> None:
    """Send structlog's events to a stream.

    Args:
        level: `debug`, `info`, `warning` or `error`: what is shown.
        stream: Standard error for a command, standard output for a server.
    """
    renderer: structlog.types.Processor
    renderer = structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _with_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _with_trace(logger: Any, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Add trace_id and span_id where the line belongs to a span."""
    event.update(traces.ids())
    return event


def _without_secrets(logger: Any, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return {key: all_without_secrets(value if _is_plain(value) else str(value)) for key, value in event.items()}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float | dict | list | tuple)
