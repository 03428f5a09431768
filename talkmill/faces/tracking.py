"""Tracks faces through a shot and chooses the person of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from talkmill.arrays import Float32Array, Float64Array
from talkmill.faces.detection import SURE_SCORE, Detections
from talkmill.geometry.boxes import mean_sides
from talkmill.video.resample import TIME_TOLERANCE_SECONDS

# Boxes of one face in neighbouring frames overlap by more than this (SORT, Bewley et al., ICIP 2016, uses 0.3).
MIN_IOU = 0.3


# A track is itself and no other: arrays have no single equality.
@dataclass(slots=True, eq=False)
class _OpenTrack:
    frames: list[int] = field(default_factory=list)
    boxes: list[Float32Array] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One face through consecutive frames of one shot.

    Attributes:
        first_frame: Frame of the first row.
        boxes: (N, 4) float32 x0, y0, x1, y1 in pixels, interpolated where the detector saw nothing.
        scores: (N,) float32, 0 where interpolated.
    """

    first_frame: int
    boxes: Float32Array
    scores: Float32Array

    @property
    def end_frame(self) -> int:
        """The frame after the last."""
        return self.first_frame + len(self.boxes)

    @property
    def sides(self) -> Float32Array:
        """(N,) geometric mean of width and height in pixels."""
        return mean_sides(self.boxes)

    def part(self, first_frame: int, end_frame: int) -> "FaceTrack":
        """Return the track from a frame to the one before another."""
        rows = slice(first_frame - self.first_frame, end_frame - self.first_frame)
        return FaceTrack(first_frame, self.boxes[rows], self.scores[rows])

    @property
    def prominence(self) -> float:
        """How long and how large: the sum of sides over frames."""
        return float(self.sides.sum())


def track_faces(
    detections: Sequence[Detections], first_frame: int, times: Float64Array, max_gap_seconds: float
) -> list[FaceTrack]:
    """Follow every face of one shot.

    Args:
        detections: Faces of each frame of the shot.
        first_frame: Number of the shot's first frame.
        times: (len(detections),) presentation times in seconds, rising.
        max_gap_seconds: A face that was not seen for longer begins a new track.

    Returns:
        Tracks in order of their first frame.
    """
    finished: list[_OpenTrack] = []
    active: list[_OpenTrack] = []
    for index, found in enumerate(detections):
        before = times[max(0, index - 1)] - TIME_TOLERANCE_SECONDS
        lost = [track for track in active if before - times[track.frames[-1]] > max_gap_seconds]
        finished += lost
        active = [track for track in active if track not in lost]
        taken = _match(active, found.boxes)
        for row, box in enumerate(found.boxes):
            track = taken.get(row)
            if track is None:
                # A track goes on with less.
                if found.scores[row] < SURE_SCORE:
                    continue
                track = _OpenTrack()
                active.append(track)
            track.frames.append(index)
            track.boxes.append(box)
            track.scores.append(float(found.scores[row]))
    tracks = [_close(track, first_frame) for track in [*finished, *active]]
    return sorted(tracks, key=lambda track: (track.first_frame, -track.prominence))


def choose_people(tracks: Sequence[FaceTrack]) -> list[FaceTrack]:
    """Choose whom to follow: the most prominent face, and where it is not seen, the next.

    Args:
        tracks: All faces of a shot.

    Returns:
        Tracks that do not overlap in time, in order.
    """
    chosen: list[FaceTrack] = []
    for track in sorted(tracks, key=lambda track: -track.prominence):
        if all(track.end_frame <= other.first_frame or other.end_frame <= track.first_frame for other in chosen):
            chosen.append(track)
    return sorted(chosen, key=lambda track: track.first_frame)


def iou(first: Float32Array, second: Float32Array) -> Float32Array:
    """Intersection over union of every pair of boxes, (A, 4) and (B, 4) to (A, B)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    union: Float32Array = areas[0][:, None] + areas[1][None] - common
    return np.asarray(common / np.maximum(union, 1e-9))


def _match(active: Sequence[_OpenTrack], boxes: Float32Array) -> dict[int, _OpenTrack]:
    """Assign boxes to tracks with the largest total overlap."""
    if not active or not len(boxes):
        return {}
    overlap = iou(np.stack([track.boxes[-1] for track in active]), boxes)
    rows, columns = linear_sum_assignment(-overlap)
    pairs = zip(rows, columns, strict=True)
    return {int(column): active[int(row)] for row, column in pairs if overlap[row, column] > MIN_IOU}


def _close(track: _OpenTrack, first_frame: int) -> FaceTrack:
    frames = np.array(track.frames)
    wanted = np.arange(frames[0], frames[-1] + 1)
    boxes = np.stack(track.boxes)
    filled = np.stack([np.interp(wanted, frames, boxes[:, side]) for side in range(4)], axis=1)
    scores: npt.NDArray[np.float32] = np.zeros(len(wanted), np.float32)
    scores[frames - frames[0]] = track.scores
    return FaceTrack(first_frame + int(frames[0]), filled.astype(np.float32), scores)
