"""Checks a folder as a whole: that its export has ended, that all of it can be seen, and what the layout asserts."""

import os
from collections.abc import Iterator
from pathlib import Path

from talkmill.layouts.checks.files import form_of
from talkmill.layouts.folder import GOING_ON, LIST_ENDING, unfinished_parts
from talkmill.layouts.layout import Finding, Layout


def check_folder(folder: Path, layout: Layout) -> Iterator[Finding]:
    """Yield what a trainer would trip over.

    Args:
        folder: As the trainer gets it, by whatever tool it was made; it exists.
        layout: What the trainer reads.
    """
    yield from _check_ended(folder)
    yield from _check_seen(folder)
    try:
        yield from layout.check(folder)
    except OSError as error:
        # A folder that went away or changed its rights while it was read.
        yield Finding(
            str(error.filename or "."), f"cannot be read: {error.strerror}; nothing after it was looked at",
            "make it readable, and check again",
        )  # fmt: skip


def _check_ended(folder: Path) -> Iterator[Finding]:
    """Find what an export was writing when it was killed: files of before and of then lie beside each other."""
    for path in sorted(folder.glob(f"*{LIST_ENDING}")):
        if not path.is_file():
            continue
        try:
            parts = unfinished_parts(path)
        except (OSError, ValueError) as error:
            yield Finding(path.name, f"cannot be read: {error}", "export again, into another folder")
            continue
        if parts:
            writing = ", ".join(part for part in parts if part != GOING_ON)
            yield Finding(
                path.name, f"is of an export that has not ended{f': it was writing {writing}' * bool(writing)}",
                "run the same export again; it goes on",
            )  # fmt: skip


def _check_seen(folder: Path) -> Iterator[Finding]:
    """Find folders that cannot be listed, and what is neither a file nor a folder."""
    errors: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=errors.append):
        folders.sort()
        for name in sorted(files):
            path = Path(place) / name
            if path.is_file():
                continue
            at = path.relative_to(folder).as_posix()
            if path.is_symlink() and not path.exists():
                yield Finding(
                    at, f"is a link to {path.readlink()}, and nothing is there", "write the file, or delete it"
                )
            else:
                yield Finding(at, f"is {form_of(path.stat().st_mode)}: a reader would wait for it", "delete it")
    for error in errors:
        at = Path(os.fsdecode(error.filename)).relative_to(folder).as_posix()
        yield Finding(at, f"cannot be listed: {error.strerror}", "make the folder readable")
