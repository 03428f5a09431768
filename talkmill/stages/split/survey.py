"""The one pass over a source: its pictures, the faces in them, and the continuous takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkmill.arrays import Frame
from talkmill.faces.detection import Detections
from talkmill.faces.finder import FaceFinder
from talkmill.video.decode import DecodedPicture
from talkmill.video.packets import PacketIndex
from talkmill.video.picture import RgbConverter
from talkmill.video.scan import Scan, scan_source
from talkmill.video.scenes import SceneCutFinder

if TYPE_CHECKING:
    from talkmill.stages.split.messages import TimeRange


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What was seen of a source. M is the number of its pictures.

    Attributes:
        scan: The pictures.
        detections: Faces of each picture.
        takes: First picture and the picture after the last of each continuous take.
        cut_count: Scene cuts.
    """

    scan: Scan
    detections: list[Detections]
    takes: list[tuple[int, int]]
    cut_count: int


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
    convert, cuts = RgbConverter(), SceneCutFinder()
    detections: list[Detections] = []

    def prepare(picture: DecodedPicture) -> Frame:
        return convert(picture.frame, picture.format)

    def visit(image: Frame, done: int, total: int) -> None:
        detections.append(finder.find(image))
        cuts.add(image)
        progress(done, total)

    wanted = [(part.start_seconds, part.end_seconds) for part in ranges]
    scan = scan_source(path, index, wanted, max_gap_seconds, prepare, visit)
    if scan is None:
        return None
    breaks = scan.breaks.copy()
    # A cut lies before the first picture that is kept from it on.
    breaks[np.searchsorted(scan.rows, [cut for cut in cuts.cuts if cut <= scan.rows[-1]])] = True
    edges = [0, *(int(row) for row in np.flatnonzero(breaks) if row), len(breaks)]
    return Survey(scan, [detections[row] for row in scan.rows], list(pairwise(edges)), len(cuts.cuts))
