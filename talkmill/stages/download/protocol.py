"""What the process of a download is told, and the lines in which it answers: JSON, one message a line."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.page import PageOptions

# No line is longer; what comes from a page is cut before.
LINE_BYTES = 1 << 20
TEXT_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Job:
    """One download.

    Attributes:
        address: http(s) address of a file, a page or a manifest.
        max_height: The best video up to this height is taken, in pixels.
        folder: Where files are written.
        proxy: Address of the proxy that everything goes through; None for the way that the environment names.
        limits: How much it may cost.
        page: How the address is asked, with cookies and retries of a user's; `max_height` and `proxy` are said there
            then. None where it may be that of a file.
    """

    address: str
    max_height: int
    folder: Path
    proxy: str | None
    limits: WebLimits
    page: PageOptions | None = None


class Progress(NamedTuple):
    """Bytes that are done, and bytes in all."""

    done: int
    total: int


class Fetched(NamedTuple):
    """What came: a local file, where it comes from, what the user should know, and how many tries it took."""

    path: Path
    provenance: dict[str, str]
    notes: tuple[str, ...] = ()
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Failed:
    """Why nothing came.

    Attributes:
        reason: Of the table of errors.
        message: What happened.
        measure: Measured value.
        threshold: Bound that it broke.
        errno: Of an error of the operating system, which has no reason yet.
    """

    reason: str
    message: str
    measure: float | None = None
    threshold: float | None = None
    errno: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the answer; one of its fields is set."""

    progress: Progress | None = None
    fetched: Fetched | None = None
    failed: Failed | None = None

    def encoded(self) -> bytes:
        """Return the line with its end."""
        return LINE.dump_json(self) + b"\n"


JOB = TypeAdapter(Job)
LINE = TypeAdapter(Line)
