"""What a layout is: which files of a clip it needs, how it cuts, what it writes, and what its reader asserts.

It knows no trainer; each has a file of its own beside this one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from talkmill.layouts.options import ExportOptions
from talkmill.pipeline.kinds import Kind

if TYPE_CHECKING:
    from talkmill.layouts.material import ClipMaterial

# Seconds are meant to one part of so many of a second.
MOST_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the pieces of a layout are.

    Attributes:
        least_seconds: What is shorter is left out.
        most_seconds: What is longer is cut; None where any length will do.
    """

    least_seconds: float
    most_seconds: float | None = None

    def least_frames(self, rate: Fraction) -> int:
        """Return the fewest frames that last as long as the shortest piece, 1 or more, at some frames a second."""
        return max(1, math.ceil(_exact(self.least_seconds) * rate))

    def most_frames(self, rate: Fraction) -> int | None:
        """Return the most frames that last no longer than the longest piece, 0 or more; None where any number will."""
        return None if self.most_seconds is None else math.floor(_exact(self.most_seconds) * rate)


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames of a clip that follow each other, which a trainer will see as a clip of its own.

    Attributes:
        name: Unique over the export; letters, digits and `_`.
        clip: Name of the clip in the set.
        split: `train` or `test`.
        person: Who is seen; letters, digits and `_`; the clip's name where nobody said.
        rate: Frames a second.
        first_frame: Of the clip.
        end_frame: The frame after the last.
    """

    name: str
    clip: str
    split: str
    person: str
    rate: Fraction
    first_frame: int
    end_frame: int

    @property
    def frame_count(self) -> int:
        """Frames."""
        return self.end_frame - self.first_frame

    @property
    def frames(self) -> slice:
        """Its frames among those of the clip."""
        return slice(self.first_frame, self.end_frame)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that are made of what many pieces became, such as an archive.

    Attributes:
        name: Unique over the export.
        files: Paths in the folder.
        pieces: All pieces of some clips, in the order of the set.
        preprocessed: Paths of what the trainer's own scripts make of the files.
    """

    name: str
    files: tuple[str, ...]
    pieces: tuple[Piece, ...]
    preprocessed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a trainer would trip over.

    Attributes:
        file: Path in the folder, as text.
        what: What was found, and what is wanted.
        mend: What to do.
    """

    file: str
    what: str
    mend: str


# Of `Layout.reads`.
WHOLE_FOLDER = "."


class UnsuitableClipError(ValueError):
    """A clip has not what a layout needs; the message says what, and what to do."""


@runtime_checkable
class Layout(Protocol):
    """The folder that one trainer reads.

    Attributes:
        name: On the command line.
        version: Changes with anything that is written; pieces of another version are written again.
        trainer: Repositories and commits whose code was read, and in parentheses the model that they train.
        needs: Kinds of a clip's files that it is made of, beside those that pieces are found with.
        options: Fields of `ExportOptions` that mean something here.
        lengths: Of a piece, in seconds.
        whole_runs: Whether every frame of a piece is valid; else what is not valid is the layout's matter.
        rate: Frames a second that the reader takes for granted; None for any.
        list_files: Every path that `lists` may write.
        reads: Paths of the folder that hold all that the reader reads: other things may lie beside them, as where the
            folder is that of the trainer's code. `.` for all of the folder.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    trainer: ClassVar[str]
    needs: ClassVar[frozenset[Kind]]
    options: ClassVar[frozenset[str]]
    lengths: ClassVar[Lengths]
    whole_runs: ClassVar[bool]
    rate: ClassVar[Fraction | None]
    list_files: ClassVar[tuple[str, ...]]
    reads: ClassVar[tuple[str, ...]]

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """Return the files and folders that a piece becomes; each belongs to this piece alone.

        Args:
            piece: The piece.
            options: How to write.
        """

    def write(self, piece: Piece, material: "ClipMaterial", options: ExportOptions, folder: Path) -> None:
        """Write the paths of a piece below a folder; the folders around them are there.

        Args:
            piece: The piece.
            material: The clip.
            options: How to write.
            folder: Where.

        Raises:
            UnsuitableClipError: The clip has not what the layout needs.
        """

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """Return the small files that name the pieces.

        Args:
            pieces: All that are written, in the order of the set.
            options: How to write.
            folder: Of the export; what belongs to the pieces is there, or the bundles that it went into.

        Returns:
            Path in the folder to content.
        """

    def check(self, folder: Path) -> Iterator[Finding]:
        """Yield what the trainer would trip over, in a folder of whatever origin.

        Args:
            folder: As the trainer gets it.
        """


@runtime_checkable
class PreprocessedLayout(Layout, Protocol):
    """A layout that the trainer's own scripts go on with, outside of what a piece becomes here."""

    def preprocessed(self, piece: Piece) -> tuple[str, ...]:
        """Return the files that those scripts make of a piece.

        Args:
            piece: The piece.
        """


@runtime_checkable
class BundledLayout(Layout, Protocol):
    """A layout whose trainer reads files of many pieces; what `write` writes goes away once they are there."""

    def bundles(self, pieces: Sequence[Piece], options: ExportOptions) -> Sequence[Bundle]:
        """Say which pieces go together; no clip is in two bundles.

        Args:
            pieces: All that can be written, in the order of the set.
            options: How to write.
        """

    def bundle(self, bundle: Bundle, options: ExportOptions, folder: Path, target: Path) -> None:
        """Write the files of a bundle.

        Args:
            bundle: The bundle.
            options: How to write.
            folder: Of the export; what `write` wrote of the pieces is there.
            target: Where to write the files; the folders around them are there.
        """


def _exact(seconds: float) -> Fraction:
    """Return the number that somebody meant: as a float 4.48 s are more than 112 frames of 25 a second."""
    return Fraction(seconds).limit_denominator(MOST_PARTS)
