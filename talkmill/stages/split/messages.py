"""Request and response types of the split stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field
from typing import Literal

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import Rejection
from talkmill.stages.contract import Measurement
from talkmill.stages.fields import NonNegative, Positive, Ratio, StreamNumber, WantedRate


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Part of a source, in seconds from its first frame."""

    start_seconds: NonNegative
    end_seconds: Positive

    def __post_init__(self) -> None:
        if self.end_seconds <= self.start_seconds:
            raise ValueError(f"the range {self.start_seconds:g}-{self.end_seconds:g} ends before it starts")


@dataclass(frozen=True, slots=True)
class SplitParameters:
    """What decides the clips.

    Attributes:
        fps: Frames a second of the clips, as `25` or `30000/1001`; `source` keeps a constant native rate.
        ranges: Parts of the source to cut; empty for the whole source.
        min_seconds: Shorter clips are rejected.
        min_face_pixels: Clips with a smaller median face (geometric mean of width and height) are rejected.
        max_gap_seconds: A face that is not seen for longer ends its clip, and so does a hole in the source's time.
        max_union_ratio: A clip ends where the union of its face boxes would be over this many times the smallest.
        video_stream: Number of the picture among the source's pictures, from 0; None for the default one.
        audio_stream: Number of the sound among the source's sounds, from 0; None for the default one.
    """

    fps: WantedRate | Literal["source"] = "25"
    ranges: tuple[TimeRange, ...] = ()
    min_seconds: NonNegative = 1.0
    min_face_pixels: NonNegative = 64.0
    max_gap_seconds: NonNegative = 0.4
    max_union_ratio: Ratio = 1.6
    video_stream: StreamNumber | None = None
    audio_stream: StreamNumber | None = None


@dataclass(frozen=True, slots=True)
class SplitInputs:
    """A source and how to cut it."""

    source: Artifact
    parameters: SplitParameters = SplitParameters()


@dataclass(frozen=True, slots=True)
class CutClip:
    """A clip that was cut: one person, one shot.

    Attributes:
        index: Number of the clip in its source.
        video: Frames at a constant rate.
        audio: 16 kHz mono WAV, as long as the frames to a sample.
        face_track: .npz: `talkmill.stages.records.FaceTrack`.
        frame_count: Frames.
        rate: Frames a second, as a fraction.
        width: Pixels.
        height: Pixels.
        start_seconds: Time of the first frame in the source.
        measurements: What was seen.
        notes: What the user should know.
    """

    index: int
    video: Artifact
    frame_table: Artifact
    audio: Artifact
    face_track: Artifact
    frame_count: int
    rate: str
    width: int
    height: int
    start_seconds: float
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitOutputs:
    """Clips, and what was not good enough to be one.

    Attributes:
        clips: In order of time.
        rejections: One for each candidate that was refused; its message says where it lies in the source.
        measurements: Of the source.
        notes: Of the source.
    """

    clips: tuple[CutClip, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
