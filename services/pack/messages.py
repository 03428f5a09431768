"""What the pack stage is asked for and what it answers; light enough for the orchestrator to import."""

from dataclasses import dataclass, field
from typing import Any

from talkmill.artifacts.artifact import Artifact
from talkmill.stage.contract import Measurement


@dataclass(frozen=True, slots=True)
class PackedClip:
    """One clip and all that goes with it.

    Attributes:
        name: Its name in the set.
        split: `train` or `test`.
        frames: The crop.
        landmarks: 68 points.
        coefficients: Coarse coefficients.
        fit: Fine fit.
        meta: JSON values for `-meta`.
    """

    name: str
    split: str
    frames: Artifact
    landmarks: Artifact
    coefficients: Artifact
    fit: Artifact
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackParameters:
    """What decides the set.

    Attributes:
        size: Side of the stored images in pixels.
    """

    size: int = 512


@dataclass(frozen=True, slots=True)
class PackInputs:
    """The clips of a run, and the names that must not be in the set any more."""

    clips: tuple[PackedClip, ...]
    removed: tuple[str, ...] = ()
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
    lists: tuple[Artifact, ...]
    measurements: dict[str, Measurement] = field(default_factory=dict)
