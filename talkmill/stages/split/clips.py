"""Which parts of a source become clips: ranges, shots, people, and the rules that reject."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from talkmill.artifacts.manifest import Rejection
from talkmill.faces.detection import Detections
from talkmill.faces.scale import split_by_union_ratio, union_ratio
from talkmill.faces.tracking import FaceTrack, choose_people, track_faces
from talkmill.stages.errors import (
    ClipTooShortError,
    FaceTooSmallError,
    HeadMovesError,
    NoFaceError,
    StageError,
    StillPictureError,
)
from talkmill.text import counted
from talkmill.video.resample import schedule_frames

if TYPE_CHECKING:
    from talkmill.stages.split.messages import SplitParameters, TimeRange

CUT_FOR_SCALE = "the take is cut where the head moves or grows too much for one crop"
# Frames times their duration is no round number of seconds.
SECONDS_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip to write.

    Attributes:
        first_frame: First source frame.
        end_frame: The source frame after the last.
        start_seconds: Source time of the first clip frame.
        end_seconds: No clip frame is later.
        track: The person's face; its rows are the source frames of the clip.
        other_face_count: Other faces that last in the same frames.
        notes: What the user should know.
    """

    first_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    track: FaceTrack
    other_face_count: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """Frames of one person's track that one crop can hold, or that are too short for it.

    Attributes:
        track: The face in these frames.
        seconds: Length of the clip that they give.
        short: Whether that is less than the shortest clip.
        moves: Whether it is several parts, each too short, between which the head moves or grows too much.
    """

    track: FaceTrack
    seconds: float
    short: bool
    moves: bool


def plan_clips(
    times: npt.NDArray[np.float64],
    detections: Sequence[Detections],
    shots: Sequence[tuple[int, int]],
    is_still: Callable[[FaceTrack], bool],
    rate: Fraction,
    parameters: "SplitParameters",
) -> tuple[list[ClipPlan], list[Rejection]]:
    """Choose the clips of a source.

    Args:
        times: (M,) presentation times in seconds.
        detections: Faces of each source frame.
        shots: First frame and the frame after the last, of each shot.
        is_still: Says whether a face is a photograph, a poster or frozen: a living one is followed before it.
        rate: Frames a second of the clips.
        parameters: The rules.

    Returns:
        Clips in order of time, and a rejection for each candidate that broke a rule.
    """
    plans: list[ClipPlan] = []
    rejections: list[Rejection] = []
    for first, end in _ranged(times, shots, parameters.ranges):
        tracks = track_faces(detections[first:end], first, times[first:end], parameters.max_gap_seconds)
        stills = [track for track in tracks if is_still(track)]
        people = choose_people([track for track in tracks if track not in stills])
        alone = [still for still in choose_people(stills) if not any(_overlap(still, person) for person in people)]
        rejections += [_still_error(still, times).rejection() for still in alone]
        if not people and not stills:
            rejections.append(NoFaceError(f"no face in {_where(times, first, end)}").rejection())
        for person in people:
            others = [track for track in tracks if track is not person]
            parts = _parts(person, times, rate, parameters)
            for part in parts:
                error = _broken_rule(part, times, parameters)
                if error is not None:
                    rejections.append(error.rejection())
                    continue
                plans.append(_plan(part.track, others, times, (CUT_FOR_SCALE,) if len(parts) > 1 else ()))
    return plans, rejections


def _parts(
    person: FaceTrack, times: npt.NDArray[np.float64], rate: Fraction, parameters: "SplitParameters"
) -> list[_Part]:
    """Cut a person's track where the head moves or grows too much for one crop; neighbours that are too short join."""
    parts: list[_Part] = []
    for row, end_row in split_by_union_ratio(person.boxes, parameters.max_union_ratio):
        first, end = person.first_frame + row, person.first_frame + end_row
        seconds = _seconds(times, first, end, rate)
        short = seconds + SECONDS_TOLERANCE < parameters.min_seconds
        joins = bool(parts) and short and parts[-1].short
        if joins:
            first = parts.pop().track.first_frame
        parts.append(_Part(person.part(first, end), seconds, short, joins))
    return parts


def _ranged(
    times: npt.NDArray[np.float64], shots: Sequence[tuple[int, int]], ranges: "Sequence[TimeRange]"
) -> list[tuple[int, int]]:
    """Cut shots to the wanted time ranges, as frame numbers."""
    if not ranges:
        return list(shots)
    parts = []
    for part in sorted(ranges, key=lambda part: (part.start_seconds, part.end_seconds)):
        low, high = _frames_in(times, part)
        parts += [(max(first, low), min(last, high)) for first, last in shots]
    return [(first, end) for first, end in parts if end > first]


def holds_frame(times: npt.NDArray[np.float64], part: "TimeRange") -> bool:
    """Say whether a frame lies in a time range.

    Args:
        times: (M,) presentation times in seconds, rising.
        part: The range; its end is outside.
    """
    low, high = _frames_in(times, part)
    return high > low


def _frames_in(times: npt.NDArray[np.float64], part: "TimeRange") -> tuple[int, int]:
    """Return the first frame of a time range, and the frame after its last."""
    low, high = np.searchsorted(times, [part.start_seconds - 1e-6, part.end_seconds - 1e-6])
    return int(low), int(high)


def _broken_rule(part: _Part, times: npt.NDArray[np.float64], parameters: "SplitParameters") -> StageError | None:
    track = part.track
    where = _where(times, track.first_frame, track.end_frame)
    if part.moves:
        ratio = union_ratio(track.boxes)
        message = f"the head moves or grows too much for one crop in {where}: {ratio:.1f} times the size of the face"
        return HeadMovesError(message, measure=round(ratio, 3), threshold=parameters.max_union_ratio)
    if part.short:
        message = f"a face is seen for {part.seconds:.2f} s in {where}, {parameters.min_seconds:g} s are wanted"
        return ClipTooShortError(message, measure=round(part.seconds, 3), threshold=parameters.min_seconds)
    side = float(np.median(track.sides))
    if side < parameters.min_face_pixels:
        message = f"the face measures {side:.0f} pixels in {where}, {parameters.min_face_pixels:g} are wanted"
        return FaceTooSmallError(message, measure=round(side, 1), threshold=parameters.min_face_pixels)
    return None


def _still_error(track: FaceTrack, times: npt.NDArray[np.float64]) -> StillPictureError:
    where = _where(times, track.first_frame, track.end_frame)
    return StillPictureError(f"the face never moves in {where}: it is a photograph, or the picture is frozen")


def _overlap(first: FaceTrack, second: FaceTrack) -> bool:
    return first.first_frame < second.end_frame and second.first_frame < first.end_frame


def _plan(
    track: FaceTrack, others: Sequence[FaceTrack], times: npt.NDArray[np.float64], notes: tuple[str, ...]
) -> ClipPlan:
    first, end = track.first_frame, track.end_frame
    count = sum(min(other.end_frame, end) - max(other.first_frame, first) > (end - first) / 2 for other in others)
    if count:
        notes = (*notes, f"{counted(count, 'other face')}: the one that lasts and is largest is followed")
    return ClipPlan(first, end, float(times[first]), float(times[end - 1]), track, count, notes)


def _seconds(times: npt.NDArray[np.float64], first: int, end: int, rate: Fraction) -> float:
    """Return the length of the clip that some frames give."""
    schedule = schedule_frames(times[first:end], rate, float(times[first]), float(times[end - 1]))
    return float(len(schedule.source_indices) / rate)


def _where(times: npt.NDArray[np.float64], first: int, end: int) -> str:
    return f"frames {first} to {end - 1} ({times[first]:.2f} to {times[end - 1]:.2f} s)"
