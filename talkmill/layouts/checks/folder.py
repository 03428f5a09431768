"""Checks a folder as a whole: that its export has ended, that all of it can be seen, and what the layout asserts."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from talkmill.layouts.checks.files import form_of, is_folder, walk, why
from talkmill.layouts.folder import GOING_ON, LIST_ENDING, unfinished_parts
from talkmill.layouts.layout import Finding, Layout


def check_folder(folder: Path, layout: Layout) -> Iterator[Finding]:
    """Yield what a trainer would trip over.

    Args:
        folder: As the trainer gets it, by whatever tool it was made; it exists.
        layout: What the trainer reads.
    """
    yield from _check_ended(folder, f"{layout.name}{LIST_ENDING}")
    yield from _check_seen(folder, layout.reads)
    try:
        yield from layout.check(folder)
    except (OSError, UnicodeError) as error:
        # A folder that changed while it was read, or one whose own path a library does not take.
        at = error.filename if isinstance(error, OSError) and error.filename else "."
        yield Finding(
            os.fsdecode(at), f"cannot be read: {why(error)}; nothing after it was looked at",
            "make it readable under a plain path, and check again",
        )  # fmt: skip


def _check_ended(folder: Path, name: str) -> Iterator[Finding]:
    """Find what an export was writing when it was killed: files of before and of then lie beside each other."""
    path = folder / name
    if not path.is_file():
        return
    try:
        parts = unfinished_parts(path)
    except (OSError, ValueError) as error:
        yield Finding(name, f"cannot be read: {error}", "export again, into another folder")
        return
    if parts:
        writing = ", ".join(part for part in parts if part != GOING_ON)
        yield Finding(
            name, f"belongs to an export that has not ended{f': it was writing {writing}' * bool(writing)}",
            "run the same export again to resume it",
        )  # fmt: skip


def _check_seen(folder: Path, places: Sequence[str]) -> Iterator[Finding]:
    """Find folders that cannot be listed, and what is neither a file nor a folder, below some paths of a folder."""
    errors: list[OSError] = []
    for path in chain.from_iterable(_below(folder / place, errors.append) for place in places):
        at = path.relative_to(folder).as_posix()
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            yield Finding(at, f"is a link to {path.readlink()}, and nothing is there", "write the file, or delete it")
        except OSError as error:
            yield Finding(at, f"cannot be read: {why(error)}", "make it readable")
        else:
            if not stat.S_ISREG(mode):
                yield Finding(at, f"is {form_of(mode)}: a reader would wait for it", "delete it")
    for failed in errors:
        at = Path(os.fsdecode(failed.filename)).relative_to(folder).as_posix()
        yield Finding(at, f"cannot be listed: {why(failed)}", "make the folder readable")


def _below(place: Path, failed: Callable[[OSError], object]) -> Iterable[Path]:
    """Return what lies below a path, or the path itself where it is no folder; nothing where it is missing."""
    if is_folder(place):
        return walk(place, failed)
    return [place] if os.path.lexists(place) else []
