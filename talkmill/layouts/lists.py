"""Lists with a line a piece, and lists of absolute paths of what pieces became."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from talkmill.layouts.layout import Piece
from talkmill.layouts.options import ExportOptions


def lines_of(pieces: Iterable[Piece], split: str, line: Callable[[Piece], str]) -> bytes:
    """Return a line for each piece of a split, `train` or `test`."""
    return "".join(f"{line(piece)}\n" for piece in pieces if piece.split == split).encode()


def root_of(folder: Path, options: ExportOptions) -> Path:
    """Return where an export lies for the trainer: `root` where it was given, else where it was written."""
    return Path(options.root) if options.root is not None else folder.resolve()


def absolute_list(
    pieces: Iterable[Piece], split: str, paths: Callable[[Piece, ExportOptions], Sequence[str]], folder: Path,
    options: ExportOptions,
) -> bytes:  # fmt: skip
    """Return the paths of a split's pieces, an absolute one a line.

    Args:
        pieces: Of the export.
        split: `train` or `test`.
        paths: `Layout.paths`.
        folder: Of the export.
        options: How it was written.
    """
    root = root_of(folder, options)
    return "".join(
        f"{root / path}\n" for piece in pieces if piece.split == split for path in paths(piece, options)
    ).encode()
