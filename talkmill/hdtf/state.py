"""The state of each video and clip of a plan: one small JSON file each, beside the media."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter, ValidationError

from talkmill.files import write_whole

Status = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True)
class VideoState:
    """A video that was tried.

    Attributes:
        url: Its address, as it is shown.
        status: How it ended.
        reason: Reason of a failure, as in docs/errors.md.
        message: The downloader's own words.
        attempts: Tries of the last call.
        file: Name of the file beside the state.
        width: Pixels.
        height: Pixels.
        provenance: What the site says of it.
    """

    url: str
    status: Status
    reason: str = ""
    message: str = ""
    attempts: int = 0
    file: str = ""
    width: int = 0
    height: int = 0
    provenance: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClipState:
    """A clip that was cut, or could not be.

    Attributes:
        name: Its name.
        row: Digest of what decided it; another row is cut again.
        status: How it ended.
        reason: Reason of a failure.
        message: What was found.
        flags: What is suspicious.
        region: x, y, width, height in pixels of the video.
        frame_count: Frames.
        seconds: Length.
        has_sound: Whether there is sound.
        embedding: (128,) vector of the face; empty where none was measured.
    """

    name: str
    row: str
    status: Status
    reason: str = ""
    message: str = ""
    flags: tuple[str, ...] = ()
    region: tuple[int, ...] = ()
    frame_count: int = 0
    seconds: float = 0.0
    has_sound: bool = False
    embedding: tuple[float, ...] = ()


StateT = TypeVar("StateT", VideoState, ClipState)


class States(Generic[StateT]):
    """Reads and writes the states of one folder."""

    def __init__(self, folder: Path, kind: type[StateT]) -> None:
        self.folder = folder
        self._adapter: TypeAdapter[StateT] = TypeAdapter(kind)

    def read(self, key: str) -> StateT | None:
        """Return a state; None where there is none that can be read."""
        try:
            return self._adapter.validate_json((self.folder / f"{key}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, key: str, state: StateT) -> None:
        """Write a state, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / f"{key}.json", json.dumps(asdict(state), indent=1, ensure_ascii=False).encode())


def video_states(folder: Path) -> States[VideoState]:
    """Return the states of the videos of a download folder."""
    return States(folder / "videos", VideoState)


def clip_states(folder: Path) -> States[ClipState]:
    """Return the states of the clips of a download folder."""
    return States(folder / "clips", ClipState)


def video_key(url: str) -> str:
    """Return the name of a video's files: the site's own id where it is plain, else a hash of the address."""
    parts = urlsplit(url)
    found = parse_qs(parts.query).get("v", [""])[0]
    if (parts.hostname or "").endswith("youtube.com") and re.fullmatch(r"[\w-]{6,20}", found):
        return found
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def row_digest(values: Any) -> str:
    """Return a digest of what decides a clip."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
