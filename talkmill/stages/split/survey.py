"""The one pass over a source: its pictures, the faces in them, and the continuous takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkmill.arrays import BoolArray, Float32Array, Frame
from talkmill.faces.detection import Detections
from talkmill.faces.finder import FaceFinder
from talkmill.faces.freezes import FreezeFinder
from talkmill.faces.jumps import JumpCutFinder
from talkmill.faces.stillness import FaceLooks
from talkmill.faces.tracking import FaceTrack
from talkmill.text import counted
from talkmill.video.decode import DecodedPicture
from talkmill.video.dissolves import DissolveFinder
from talkmill.video.packets import PacketIndex
from talkmill.video.picture import RgbConverter
from talkmill.video.resample import native_rate
from talkmill.video.scan import Scan, scan_source
from talkmill.video.scenes import SceneCutFinder, thumbnail

if TYPE_CHECKING:
    from talkmill.stages.split.messages import TimeRange


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What was seen of a source. M is the number of its pictures.

    Attributes:
        scan: The pictures.
        detections: Faces of each picture.
        takes: First picture and the picture after the last of each continuous take.
        frozen: (M,) whether a picture is one of several that are all the same.
        notes: What ends takes.
    """

    scan: Scan
    detections: list[Detections]
    takes: list[tuple[int, int]]
    frozen: BoolArray
    notes: tuple[str, ...]
    _looks: FaceLooks

    def is_still(self, track: FaceTrack) -> bool:
        """Say whether a face of these pictures is a photograph, a poster or frozen."""
        rows = slice(track.first_frame, track.end_frame)
        return bool(self.frozen[rows].all()) or self._looks.still(track, self.scan.rows[rows])


def survey_source(
    path: Path,
    index: PacketIndex,
    finder: FaceFinder,
    ranges: "Sequence[TimeRange]",
    max_gap_seconds: float,
    progress: Callable[[int, int], None],
) -> Survey | None:
    """Look at a source, or at the ranges that are wanted of it.

    Args:
        path: The file.
        index: Its packets.
        finder: Finds faces.
        ranges: Parts to look at; empty for all.
        max_gap_seconds: A hole in time that is longer ends a take.
        progress: Called with the pictures that are done and their number.

    Returns:
        The survey; None where no picture decodes.
    """
    convert = RgbConverter()
    # A header may say any rate, holes say nothing of it, and hidden packets have stamps of shown ones.
    shown = index.times[~index.hidden] if not index.hidden.all() else index.times
    rate = float(native_rate(np.unique(shown), index.rate))
    cuts, jumps, dissolves = SceneCutFinder(), JumpCutFinder(rate), DissolveFinder(rate)
    freezes, looks = FreezeFinder(rate), FaceLooks(rate)
    detections: list[Detections] = []

    def prepare(picture: DecodedPicture) -> tuple[Frame, bool]:
        return convert(picture.frame, picture.format), picture.key

    def visit(shown: tuple[Frame, bool], done: int, total: int) -> None:
        image, key = shown
        found = finder.find(image)
        detections.append(found)
        small, largest = thumbnail(image), _largest(found)
        cuts.add(small)
        dissolves.add(small)
        jumps.add(image, largest, key=key)
        freezes.add(image, small, largest, key=key)
        looks.add(image, found)
        progress(done, total)

    wanted = [(part.start_seconds, part.end_seconds) for part in ranges]
    scan = scan_source(path, index, wanted, max_gap_seconds, prepare, visit)
    if scan is None:
        return None
    faded, frozen = _within(scan, dissolves.dissolves), _within(scan, freezes.freezes)
    hard = _begins(scan, cuts.cuts) & ~faded
    # What the other finders see too is no jump within a shot.
    jumped = _begins(scan, jumps.cuts) & ~faded & ~hard & ~scan.breaks
    notes = [
        *_note(int(hard.sum()), "scene cut", "each shot is a clip of its own"),
        *_note(int(jumped.sum()), "jump cut", "the takes between them are clips of their own"),
        *_note(
            int(np.diff(faded, prepend=False, append=False).sum()) // 2,
            "dissolve",
            "the frames that show two shots at once are left out",
        ),
        *_note(
            0 if frozen.all() else int(np.diff(frozen, prepend=False, append=False).sum()) // 2,
            "freeze",
            "the frames that only repeat a picture are left out",
        ),
    ]
    takes = [
        (first, end)
        for first, end in pairwise(
            _edges(scan.breaks | hard | jumped | np.diff(faded, prepend=False) | np.diff(frozen, prepend=False))
        )
        if not faded[first]
    ]
    return Survey(scan, [detections[row] for row in scan.rows], takes, frozen, tuple(notes), looks)


def _largest(found: Detections) -> Float32Array | None:
    boxes = found.sure_boxes
    return np.asarray(boxes[0]) if len(boxes) else None


def _begins(scan: Scan, frames: Sequence[int]) -> BoolArray:
    """Say which pictures are the first that are kept from some frames on."""
    begins = np.zeros(len(scan.rows), bool)
    begins[np.searchsorted(scan.rows, [frame for frame in frames if frame <= scan.rows[-1]])] = True
    return begins


def _within(scan: Scan, stretches: Sequence[tuple[int, int]]) -> BoolArray:
    """Say which pictures that are kept lie in stretches of frames."""
    within = np.zeros(len(scan.rows), bool)
    for first, end in stretches:
        within[np.searchsorted(scan.rows, first) : np.searchsorted(scan.rows, end)] = True
    return within


def _edges(begins: BoolArray) -> list[int]:
    return [0, *(int(row) for row in np.flatnonzero(begins) if row), len(begins)]


def _note(count: int, what: str, outcome: str) -> list[str]:
    return [f"{counted(count, what)}: {outcome}"] if count else []
