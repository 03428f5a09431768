"""Structured logs: JSON on a pipe, readable lines on a terminal."""

import sys

import structlog


def configure_logs(verbose: bool) -> None:
    """Send structlog's events to standard error.

    Args:
        verbose: Whether debug events are shown.
    """
    level = 10 if verbose else 30
    renderer: structlog.types.Processor
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
