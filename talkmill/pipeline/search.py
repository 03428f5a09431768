"""Searches folders for videos, and keeps count of what it passes over.

It knows the names of files, and the folders that talkmill itself writes. What is in a video it does not know.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkmill.artifacts.manifest import MANIFEST_NAME
from talkmill.dataset.lock import LOCK_NAME
from talkmill.pipeline.folders import RUN_FILES, RUN_FOLDERS
from talkmill.text import clean_text, counted
from talkmill.video.suffixes import VIDEO_SUFFIXES

# A file that is not whole yet, as yt-dlp, browsers, aria2 and curl call it, and yt-dlp's copies of whole ones.
_UNFINISHED = re.compile(
    r"\.(part|ytdl|crdownload|opdownload|partial|filepart|aria2|!qb)(-frag\d+(\.part)?)?$|\.temp\.\w+$", re.I
)
# What lies beside a file that has its last name already and is not whole.
_BESIDE_UNFINISHED = (".part", ".aria2")
# Folder of a video that `talkmill hdtf download` has not finished.
_PARTS = ".parts"
# yt-dlp's picture or sound of one format, where it has not joined them, or could not without ffmpeg: talk.f137.mp4.
_PIECE = re.compile(r"\.f(\d{1,4}(-\w+)?|(hls|dash)[\w-]*)\.\w+$", re.I)
# What people see as a suffix; anything else after a dot is a part of a name.
_SUFFIX = re.compile(r"\.[\w~!#-]{1,12}")
# Folders that file managers and network drives keep: thrown away files, thumbnails, resource forks.
_SYSTEM_FOLDERS = frozenset(["$recycle.bin", "#recycle", "@eadir", "__macosx"])

# Kinds of what is passed over, in the order in which they are told; suffixes follow, the most frequent first.
DUPLICATE, UNREADABLE = "duplicate", "unreadable file"
_DATA_SET, _EXPORT, _STAGE_RESULT, _DOWNLOAD = "data set", "export", "stage result", "download folder"
_CLOSED, _FOLDER_LINK, _BROKEN_LINK, _SPECIAL = "unreadable folder", "folder link", "broken link", "special file"
_PIECE_FILE, _UNFINISHED_FILE, _HIDDEN, _OTHER = "download piece", "unfinished download", "hidden file", "other file"
_ORDER = (
    *(DUPLICATE, UNREADABLE, _DATA_SET, _EXPORT, _STAGE_RESULT, _DOWNLOAD),
    *(_CLOSED, _FOLDER_LINK, _BROKEN_LINK, _SPECIAL, _PIECE_FILE, _UNFINISHED_FILE, _HIDDEN),
)
# So many kinds are told, then a number stands for the rest.
_TOLD_KINDS = 10


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Files or folders of one kind that a run did not take.

    Attributes:
        kind: What they are, in the singular, such as `hidden file` or `.srt file`.
        count: How many.
        first: Path of the first.
        same_as: Of duplicates, the path that was taken in place of the first; else empty.
    """

    kind: str
    count: int
    first: str
    same_as: str = ""


class FolderSearch:
    """Finds videos in folders, and counts what it passes over."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """What was passed over so far, by kind."""
        return tuple(PassedOver(kind, count, self._first[kind]) for kind, count in self._counts.items())

    def pass_over(self, kind: str, path: Path) -> None:
        """Count a file or a folder that is not taken."""
        self._counts[kind] += 1
        self._first.setdefault(kind, clean_text(str(path)))

    def videos(self, folder: Path) -> list[Path]:
        """Return the videos in a folder and in its folders, in order of their paths.

        What talkmill writes is passed over: the folders of a data set, exports, results of stages. So are hidden
        files, unfinished downloads, and files whose suffix is not one of `VIDEO_SUFFIXES`.

        Args:
            folder: Where to search; it exists.
        """
        around = _written_around(folder.resolve())
        if around is not None:
            self.pass_over(*around)
            return []
        found: list[Path] = []
        for place, folders, files in os.walk(folder, onerror=self._pass_over_closed):
            here = Path(place)
            if MANIFEST_NAME in files and _is_stage_manifest(here / MANIFEST_NAME):
                self.pass_over(_STAGE_RESULT, here)
                folders.clear()
                continue
            written = _written_in(here, folders, files)
            for kind in dict.fromkeys(written.values()):
                self.pass_over(kind, here)
            links = {name for name in folders if name not in written and (here / name).is_symlink()}
            for name in sorted(links):
                self.pass_over(_FOLDER_LINK, here / name)
            folders[:] = sorted(set(folders).difference(written, links))
            names = set(files).difference(RUN_FILES if _DATA_SET in written.values() else ())
            found += [here / name for name in sorted(names) if self._takes(here / name, folder, names)]
        return sorted(found)

    def _takes(self, path: Path, folder: Path, beside: Collection[str]) -> bool:
        """Say whether a file is taken for a video; what is not is counted, but for hidden files of other kinds."""
        is_video = path.suffix.lower() in VIDEO_SUFFIXES
        if any(part.startswith(".") or part.casefold() in _SYSTEM_FOLDERS for part in path.relative_to(folder).parts):
            kind = _HIDDEN if is_video else None
        elif (kind := _kind(path, is_video, beside)) is None:
            return True
        if kind is not None:
            self.pass_over(kind, path)
        return False

    def _pass_over_closed(self, error: OSError) -> None:
        self.pass_over(_CLOSED, Path(error.filename))


def told(passed_over: Sequence[PassedOver]) -> str:
    """Return a line on what was passed over, such as `passed over: 1 data set (talks/set), 2 hidden files`."""
    places = {kind: place for place, kind in enumerate(_ORDER)}
    rows = sorted(passed_over, key=lambda row: (places.get(row.kind, len(_ORDER)), -row.count, row.kind))
    parts = [_part(row) for row in rows[:_TOLD_KINDS]]
    rest = sum(row.count for row in rows[_TOLD_KINDS:])
    return "passed over: " + ", ".join(parts + ([f"{rest} of other kinds"] if rest else []))


def _part(row: PassedOver) -> str:
    many = counted(row.count, row.kind)
    if row.same_as:
        more = ", ..." if row.count > 1 else ""
        return f"{many} ({row.first} is the same as {os.path.relpath(row.same_as, Path(row.first).parent)}{more})"
    return f"{many} ({row.first})" if row.count == 1 else many


def _kind(path: Path, is_video: bool, beside: Collection[str]) -> str | None:
    """Return what a file is that is not taken; None for a video that is whole."""
    name = path.name
    if (
        _UNFINISHED.search(name)
        or path.parent.name.endswith(_PARTS)
        or any(name + suffix in beside for suffix in _BESIDE_UNFINISHED)
    ):
        return _UNFINISHED_FILE
    if _PIECE.search(name):
        return _PIECE_FILE
    if not is_video:
        suffix = path.suffix.lower()
        return f"{suffix} file" if _SUFFIX.fullmatch(suffix) else _OTHER
    if not path.is_file():
        return _BROKEN_LINK if path.is_symlink() else _SPECIAL
    return None


def _written_in(place: Path, folders: Collection[str], files: Collection[str]) -> dict[str, str]:
    """Return which folders of a folder talkmill wrote, and as what."""
    written: dict[str, str] = {}
    locked = LOCK_NAME in files
    # A run that was killed early leaves its lock and `work`; a copy may have lost the lock, which is hidden.
    if ("work" in folders and "lmdb" in folders) or (locked and ("work" in folders or "lmdb" in folders)):
        written |= {name: _DATA_SET for name in folders if name in RUN_FOLDERS}
    # `talkmill hdtf download`: the clips are cut from the videos.
    if locked and "videos" in folders and "clips" in folders:
        written["videos"] = _DOWNLOAD
    for name in (name for file in files if file.endswith("_export.jsonl") for name in _exported(place / file)):
        if name in folders:
            written[name] = _EXPORT
    return written


def _exported(path: Path) -> set[str]:
    """Return the folders that the list of an export names, as far as it can be read."""
    found: set[str] = set()
    try:
        with path.open("rb") as lines:
            for line in lines:
                found.update(str(file).partition("/")[0] for file in json.loads(line)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        # What a kill cut short is the last line; a list of somebody else's names nothing.
        return found
    return found


def _written_around(folder: Path) -> tuple[str, Path] | None:
    """Return what a folder lies inside of that talkmill wrote, and where; None for a folder of the user's."""
    for inner in (folder, *folder.parents):
        _, folders, files = next(os.walk(inner.parent), ("", [], []))
        kind = _written_in(inner.parent, folders, files).get(inner.name)
        if kind in (_DATA_SET, _EXPORT):
            return kind, inner.parent
    return None


def _is_stage_manifest(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b'"action_digest"' in file.read(4096)
    except OSError:
        return False
