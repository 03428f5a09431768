"""Events that a run emits while it works."""

from dataclasses import dataclass

from talkmill.artifacts.manifest import Manifest, Rejection
from talkmill.pipeline.search import PassedOver


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run of so many sources begins; its clips go through these stages."""

    source_count: int
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilesPassedOver:
    """What the inputs of a run hold and it does not take."""

    rows: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins, or is found done. `subject` is a source by its file's name, or a clip."""

    subject: str
    stage: str


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage goes on."""

    subject: str
    stage: str
    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage is done; `cached` when an earlier run did it."""

    subject: str
    stage: str
    manifest: Manifest
    cached: bool


@dataclass(frozen=True, slots=True)
class ClipsFound:
    """A source has these clips; `seconds` of video in all."""

    source: str
    clips: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Rejected:
    """A source or clip is not in the set."""

    subject: str
    stage: str
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class ClipFinished:
    """A clip is ready to be packed."""

    subject: str
    frame_count: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should know of a source or clip."""

    subject: str
    stage: str
    text: str


Event = (
    RunStarted
    | FilesPassedOver
    | StageStarted
    | StageProgress
    | StageFinished
    | ClipsFound
    | Rejected
    | ClipFinished
    | Note
)
