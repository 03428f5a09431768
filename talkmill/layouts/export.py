"""Writes a set in a layout: pieces of clips, the lists that name them, and `export.json`. It knows no trainer."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from talkmill.dataset.environment import DatasetError
from talkmill.dataset.lock import locked
from talkmill.dataset.reader import Dataset, size_folder
from talkmill.files import write_whole
from talkmill.layouts.cutting import cut
from talkmill.layouts.folder import ExportFolder, Part, StrangerError
from talkmill.layouts.layout import Layout, Lengths, Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.option import OptionError
from talkmill.pipeline.finished import ClipGoneError, FinishedClip, WorkFolder, finished_clip
from talkmill.text import counted
from talkmill.version import __version__
from talkmill.video.stretches import stretches_of

# Of what every layout is made by: a change writes all pieces again.
ENGINE_VERSION = "1"
_Outcome = Literal["written", "kept", "left_out", "failed"]
# Kinds of files that pieces are found with.
PIECES_FROM = frozenset({"landmarks", "audio"})
RECORD = "export.json"


class NothingToExportError(ValueError):
    """Not one clip of the set can be written; the message has the first clip's reason."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export came to.

    Attributes:
        pieces: What lies in the folder.
        written: Clips that were written.
        kept: Clips that an earlier export wrote from the same things.
        left_out: Clips that gave no piece, and why.
        failed: Clips that could not be written, and why.
    """

    pieces: tuple[Piece, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]


def export(
    folder: Path,
    out: Path,
    layout: Layout,
    options: ExportOptions,
    jobs: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> ExportResult:
    """Write every clip of a set for a trainer.

    What an earlier export wrote from the same things stays; files of clips that are no longer in the set go away.

    Args:
        folder: The run's folder, or that of `data.mdb`.
        out: Where to write.
        layout: What the trainer reads.
        options: How to write.
        jobs: Clips that are written at a time.
        advance: Called with clips done and clips in all.

    Returns:
        What was written.

    Raises:
        OptionError: An option means nothing to the layout.
        DatasetError: The folder holds no set, one without clips, or one with damaged entries; nothing was written.
        NoWorkError: The set has no `work` folder; nothing was written.
        NothingToExportError: No clip can be written.
        FolderBusyError: Another export writes into `out`.
    """
    _check_options(layout, options)
    database = size_folder(folder)
    work = WorkFolder.of(database)
    with Dataset(database) as dataset:
        if not dataset:
            raise DatasetError(f"{database} holds no clip")
        dataset.manifest.check_entries()
        names = _names(dataset)
        with locked(out, "export"):
            writer = _Writer(dataset, work, layout, options, out, names)
            return writer.run(jobs, advance)


def _check_options(layout: Layout, options: ExportOptions) -> None:
    for one in fields(options):
        if one.name not in layout.options and getattr(options, one.name) != one.default:
            known = ", ".join(f"`{name}`" for name in sorted(layout.options)) or "none"
            raise OptionError(one.name, f"means nothing to the layout {layout.name}, which takes {known}")


def _names(dataset: Dataset) -> dict[str, str]:
    """Return a name of letters, digits and `_` for each clip; two that would be the same get a part of a hash."""
    plain = {name: _plain(name) for name in dataset}
    taken = list(plain.values())
    return {
        name: short if taken.count(short) == 1 else f"{short}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for name, short in plain.items()
    }


@dataclass(frozen=True, slots=True)
class _Done:
    """A clip that lies in the folder."""

    pieces: tuple[Piece, ...]
    part: Part


class _Writer:
    """Writes the clips of one export."""

    def __init__(
        self,
        dataset: Dataset,
        work: WorkFolder,
        layout: Layout,
        options: ExportOptions,
        out: Path,
        names: dict[str, str],
    ) -> None:
        self._dataset, self._work, self._layout, self._options = dataset, work, layout, options
        self._out, self._names = out, names
        self._target = ExportFolder(out, layout.name)
        least = layout.lengths.least_seconds if options.least_seconds is None else options.least_seconds
        most = layout.lengths.most_seconds if options.most_seconds is None else options.most_seconds
        if most is not None and most < least:
            raise OptionError("most_seconds", f"{most:g} is less than the least, {least:g}")
        self._lengths = Lengths(least, most)

    def run(self, jobs: int, advance: Callable[[int, int], None]) -> ExportResult:
        """Write all."""
        names = list(self._dataset)
        clips: list[_Done] = []
        ended: dict[_Outcome, list[tuple[str, str]]] = {"written": [], "kept": [], "left_out": [], "failed": []}
        with ThreadPoolExecutor(jobs) as pool:
            for done, (name, (outcome, why, clip)) in enumerate(zip(names, pool.map(self._clip, names), strict=True)):
                ended[outcome].append((name, why))
                clips += [clip] if clip is not None else []
                advance(done + 1, len(names))
        if not clips:
            first, why = [*ended["failed"], *ended["left_out"]][0]
            raise NothingToExportError(f"no clip of {counted(len(names), 'clip')} can be written. {first}: {why}")
        pieces = [piece for clip in clips for piece in clip.pieces]
        parts = [*(clip.part for clip in clips), self._lists(pieces)]
        self._target.keep_only(parts)
        self._record(pieces, parts)
        return ExportResult(
            tuple(pieces),
            tuple(name for name, _ in ended["written"]),
            tuple(name for name, _ in ended["kept"]),
            tuple(ended["left_out"]),
            tuple(ended["failed"]),
        )

    def _clip(self, name: str) -> tuple[_Outcome, str, _Done | None]:
        """Write a clip; return how it ended, why, and what lies in the folder."""
        layout = self._layout
        try:
            finished = finished_clip(self._dataset, name)
            material = ClipMaterial(finished, self._work.files(finished, layout.needs | PIECES_FROM))
            pieces = self._pieces(material)
            if isinstance(pieces, str):
                return "left_out", pieces, None
            done = _Done(pieces, self._part(finished, pieces))
            if self._target.holds(done.part):
                return "kept", "", done

            def make(folder: Path) -> None:
                for piece in pieces:
                    layout.write(piece, material, self._options, folder)

            self._target.write(done.part, make)
        except (ClipGoneError, DatasetError, StrangerError) as error:
            return "failed", str(error), None
        return "written", "", done

    def _pieces(self, material: ClipMaterial) -> tuple[Piece, ...] | str:
        """Cut a clip into pieces, or say why it gives none."""
        layout, clip = self._layout, material.clip
        if layout.rate is not None and clip.rate != layout.rate:
            return (
                f"it has {float(clip.rate):g} frames a second, {layout.name} reads {float(layout.rate):g}; run its "
                f"source again with `fps` {layout.rate}"
            )
        runs = stretches_of(material.valid) if layout.whole_runs else [(0, material.frame_count)]
        ranges = cut(runs, material.samples, clip.rate, self._lengths)
        if not ranges:
            longest = max((end - first for first, end in runs), default=0) / clip.rate
            return (
                f"{float(longest):.2f} s of it can be used without a break, {layout.name} takes "
                f"{self._lengths.least_seconds:g} s at least"
            )
        base = self._names[clip.name]
        person = _plain(clip.person or "") or base
        whole = ranges == [(0, material.frame_count)]
        return tuple(
            Piece(base if whole else f"{base}_p{number:02}", clip.name, clip.split, person, clip.rate, first, end)
            for number, (first, end) in enumerate(ranges)
        )

    def _part(self, clip: FinishedClip, pieces: Sequence[Piece]) -> Part:
        layout, options = self._layout, self._options
        made_of = [ENGINE_VERSION, layout.version, clip.fingerprint, asdict(options), [repr(one) for one in pieces]]
        paths = tuple(path for piece in pieces for path in layout.paths(piece, options))
        return Part(f"clip {clip.name}", hashlib.sha256(json.dumps(made_of).encode()).hexdigest(), paths)

    def _lists(self, pieces: Sequence[Piece]) -> Part:
        lists = self._layout.lists(pieces, self._options, self._out)
        digest = hashlib.sha256(b"".join(name.encode() + content for name, content in sorted(lists.items())))
        part = Part("lists", digest.hexdigest(), tuple(lists))

        def make(folder: Path) -> None:
            for name, content in lists.items():
                (folder / name).write_bytes(content)

        if not self._target.holds(part):
            self._target.write(part, make)
        return part

    def _record(self, pieces: Sequence[Piece], parts: Sequence[Part]) -> None:
        record = {
            "layout": self._layout.name,
            "version": self._layout.version,
            "trainer": self._layout.trainer,
            "talkmill": __version__,
            "options": asdict(self._options),
            "pieces": [asdict(piece) | {"rate": str(piece.rate)} for piece in pieces],
            "files": dict(sorted(self._target.sha256(parts).items())),
        }
        write_whole(self._out / RECORD, json.dumps(record, indent=1).encode() + b"\n")


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
