"""What a preview knows of a clip as a whole, and which frames of it are worth a look."""

from dataclasses import dataclass

import numpy as np

from talkmill.arrays import BoolArray, Float32Array, Float64Array
from talkmill.landmarks.eyes import blinks, shut_below
from talkmill.landmarks.occlusion import EYE_SEEN, MOUTH_SEEN, eye_confidence, mouth_confidence
from talkmill.landmarks.points import lips_apart

# Frames of a preview, at most.
COLUMNS = 6
# Below this confidence the 68 points miss by a sixth of the eyes' distance (docs/stages/landmarks.md).
TRUSTED = 0.1


@dataclass(frozen=True, slots=True)
class Eyes:
    """The face mesh of a clip and what it says of the eyes.

    Attributes:
        mesh: (N, 478, 2) pixels of the crop.
        opening: (N, 2) of `eye_opening`, the subject's right eye first.
    """

    mesh: Float32Array
    opening: Float32Array

    @property
    def shut_below(self) -> float:
        """Mean opening of both eyes below which lids are shut."""
        return shut_below(self.opening)


@dataclass(frozen=True, slots=True)
class PreviewedClip:
    """What was found in a clip, frame by frame.

    Attributes:
        rate: Frames a second.
        points: (N, 68, 2) pixels of the crop.
        confidence: (N, 68) 0 to 1.
        measured: (N,) whether the landmarks were measured; the others are interpolated.
        valid: (N,) whether the head fits the frame, too.
        error: (N,) how far the head misses the inner landmarks, RMS pixels at 512.
        eyes: None where the landmark model has no face mesh.
    """

    rate: float
    points: Float32Array
    confidence: Float32Array
    measured: BoolArray
    valid: BoolArray
    error: Float64Array
    eyes: Eyes | None

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.points)

    @property
    def trusted(self) -> BoolArray:
        """(N, 68) which points were measured, and are sure enough to be believed."""
        return np.asarray(self.measured[:, None] & (self.confidence >= TRUSTED))

    def sure(self, frame: int, part: slice, seen_from: float) -> bool:
        """Return whether a part of the face was seen in a frame; only the fused landmarks know when they guess.

        Args:
            frame: Number of the frame.
            part: Its points, of the 68.
            seen_from: Mean confidence from which it is seen: MOUTH_SEEN or EYE_SEEN.
        """
        seen = self.eyes is None or float(self.confidence[frame, part].mean()) >= seen_from
        return bool(self.measured[frame]) and seen

    @property
    def lips(self) -> Float64Array:
        """(N,) distance of the inner lips over that of the outer eye corners."""
        return lips_apart(self.points)

    @property
    def blinks(self) -> list[slice]:
        """The frames of each blink; none are known without eyes."""
        return [] if self.eyes is None else blinks(self.eyes.opening, self.measured)


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame that is shown.

    Attributes:
        frame: Its number, from 0.
        why: What is special about it; empty for a frame that only spreads the choice over the clip.
    """

    frame: int
    why: str = ""


def moments(clip: PreviewedClip) -> list[Moment]:
    """Choose the frames that are shown, in order: where something may be wrong, and others spread over the clip."""
    frames, measured = np.arange(len(clip)), clip.measured
    asked: list[tuple[str, int]] = []
    if not measured.all():
        asked.append(("not measured", int(frames[~measured][0])))
    if measured.any():
        seen = frames[measured]
        asked.append(("worst fit", int(seen[clip.error[seen].argmax()])))
        if clip.eyes is not None:
            asked.append(("eyes most shut", int(seen[clip.eyes.opening[seen].mean(1).argmin()])))
        asked.append(("mouth widest", int(seen[clip.lips[seen].argmax()])))
        if clip.eyes is not None:
            # The nets know little of lids that move: a blink is no hidden eye.
            outside_blinks = np.setdiff1d(seen, [frame for blink in clip.blinks for frame in frames[blink]])
            for part, sure, seen_from, among in (
                ("mouth", mouth_confidence(clip.confidence), MOUTH_SEEN, seen),
                ("an eye", eye_confidence(clip.confidence), EYE_SEEN, outside_blinks),
            ):
                if sure[among].min(initial=1) < seen_from:
                    asked.append((f"{part} least sure", int(among[sure[among].argmin()])))
    chosen: dict[int, list[str]] = {}
    for why, frame in asked:
        chosen.setdefault(frame, []).append(why)
    for _ in range(min(COLUMNS, len(clip)) - len(chosen)):
        farthest = np.abs(frames[:, None] - list(chosen)).min(1).argmax()
        chosen[int(farthest)] = []
    return [Moment(frame, ", ".join(whys)) for frame, whys in sorted(chosen.items())]
