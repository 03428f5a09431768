"""Request and response types of the pack stage. Light: the orchestrator imports them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from talkmill.artifacts.artifact import Artifact
from talkmill.stages.contract import Measurement
from talkmill.stages.errors import InvalidRequestError
from talkmill.stages.fields import ClipName, Side


@dataclass(frozen=True, slots=True)
class PackedClip:
    """One clip and all that goes with it.

    Attributes:
        name: Its name in the set.
        split: `train` or `test`.
        frames: The crop.
        landmarks: 68 points.
        coefficients: Coarse coefficients; None where they were not made, as `meta` says.
        fit: Fine fit; None where it was not made.
        meta: JSON values for `-meta`.
    """

    name: ClipName
    split: Literal["train", "test"]
    frames: Artifact
    landmarks: Artifact
    coefficients: Artifact | None = None
    fit: Artifact | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackParameters:
    """What decides the set.

    Attributes:
        size: Side of the stored images in pixels.
    """

    size: Side = 512


@dataclass(frozen=True, slots=True)
class PackInputs:
    """What goes into a set.

    Attributes:
        clips: JSON Lines, one `PackedClip` each: a run may have more clips than a message can hold.
        removed: Names that must not be in the set any more.
        parameters: What decides the set.
    """

    clips: Artifact
    removed: tuple[ClipName, ...] = ()
    parameters: PackParameters = PackParameters()


@dataclass(frozen=True, slots=True)
class PackOutputs:
    """The set.

    Attributes:
        database: `data.mdb`.
        index: The set's manifest, JSON.
        lists: `train_list.txt` and `test_list.txt`.
        measurements: What was written.
    """

    database: Artifact
    index: Artifact
    lists: tuple[Artifact, ...] = ()
    measurements: dict[str, Measurement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InPlacePackOutputs:
    """What was done to the set of a user's folder.

    Attributes:
        measurements: What was written.
    """

    measurements: dict[str, Measurement] = field(default_factory=dict)


_CLIP = TypeAdapter(PackedClip)


def encode_clips(clips: Iterable[PackedClip]) -> bytes:
    """Return clips as the JSON Lines that `PackInputs.clips` holds."""
    return b"".join(_CLIP.dump_json(clip) + b"\n" for clip in clips)


def read_clips(path: Path) -> list[PackedClip]:
    """Read the JSON Lines of `PackInputs.clips`.

    Raises:
        InvalidRequestError: A line is not a clip.
    """
    try:
        return [_CLIP.validate_json(line) for line in path.read_bytes().splitlines()]
    except ValidationError as error:
        raise InvalidRequestError(f"clips: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
