"""Structured logs: JSON, or readable lines on a terminal."""

import logging
import sys
from typing import TextIO

import structlog


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
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
