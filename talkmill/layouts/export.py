"""Writes a set in a layout: pieces of clips, the lists that name them, and `export.json`. It knows no trainer."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from talkmill.dataset.environment import DatasetError
from talkmill.dataset.lock import locked
from talkmill.dataset.reader import Dataset, size_folder
from talkmill.files import write_whole
from talkmill.layouts.captions import read_captions
from talkmill.layouts.folder import LIST_ENDING, ExportFolder, Part, StrangerError, has_parts
from talkmill.layouts.layout import (
    Bundle,
    BundledLayout,
    Layout,
    Lengths,
    Piece,
    PreprocessedLayout,
    UnsuitableClipError,
)
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.pieces import PIECES_FROM, names_of, pieces_of, unused_of
from talkmill.layouts.registry import LAYOUTS
from talkmill.models.catalogue import UnknownModelError
from talkmill.models.repository import ModelError, ModelRepository
from talkmill.option import OptionError
from talkmill.pipeline.finished import ClipGoneError, FinishedClip, WorkFolder, finished_clip
from talkmill.pipeline.folders import RUN_FOLDERS
from talkmill.pipeline.kinds import Kind
from talkmill.text import counted
from talkmill.version import __version__

# Of what every layout is made by: a change writes all pieces again.
ENGINE_VERSION = "1"
OF_LISTS = ("captions", "root")
# Options that mean something to every layout.
OF_ALL = frozenset({"fps"})
_Outcome = Literal["written", "kept", "left_out", "failed"]
RECORD = "export.json"


class OutTakenError(ValueError):
    """The folder to write into holds something else."""


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
        shortened: Clips that a part of is in no piece, and how much.
        uncalled: Names of the user's captions that no clip has, and no piece.
        stale: Files that somebody else made of what has changed, as they are called now.
    """

    pieces: tuple[Piece, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    shortened: tuple[tuple[str, str], ...]
    uncalled: tuple[str, ...]
    stale: tuple[str, ...]


def export(
    folder: Path,
    out: Path,
    layout: Layout,
    options: ExportOptions,
    models: ModelRepository,
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
        models: Where heads are, for layouts that need the one of a clip.
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
        OutTakenError: `out` is the run's own folder, or holds an export in another layout or a list of somebody else;
            nothing was written.
    """
    _check_options(layout, options)
    captions = read_captions(options.captions)
    database = size_folder(folder)
    work = WorkFolder.of(database)
    _check_out(out.resolve(), work.folder, layout)
    with Dataset(database) as dataset:
        if not dataset:
            raise DatasetError(f"{database} holds no clip")
        dataset.manifest.check_entries()
        names = names_of(dataset)
        # A piece is called by the name of its clip and a number.
        named = {*captions, *(re.sub(r"_p\d+$", "", name) for name in captions)}
        if captions and named.isdisjoint((*names, *names.values())):
            raise OptionError("captions", f"{options.captions} names no clip of the set, such as {next(iter(names))}")
        with locked(out, "export"):
            writer = _Writer(dataset, work, layout, options, models, out, names)
            result = writer.run(jobs, advance)
    called = {*names, *(piece.name for piece in result.pieces)}
    return replace(result, uncalled=tuple(name for name in captions if name not in called))


def recorded_layout(folder: Path) -> str:
    """Return the layout that the `export.json` of a folder names; "" where there is none that can be read."""
    with suppress(FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, RecursionError):
        # Whatever else lies there names no layout, and nothing waits for it.
        named = json.loads((folder / RECORD).read_bytes())["layout"] if (folder / RECORD).is_file() else ""
        return named if isinstance(named, str) else ""
    return ""


def _check_out(out: Path, run: Path, layout: Layout) -> None:
    """Refuse to write among the files of a run, or of an export in another layout."""
    if out == run or any(out.is_relative_to(run / part) for part in RUN_FOLDERS):
        raise OutTakenError(f"{out} is the folder of the data set; give the export a folder of its own")
    begun = (name for name in LAYOUTS if name != layout.name and has_parts(out / f"{name}{LIST_ENDING}"))
    other = recorded_layout(out) or next(begun, layout.name)
    if other != layout.name:
        raise OutTakenError(
            f"{out} holds an export in the layout {other}; give the layout {layout.name} another folder"
        )
    if (out / RECORD).exists() and not recorded_layout(out):
        raise OutTakenError(f"{out / RECORD} was not written by an export; move it away, or give another folder")


def _check_options(layout: Layout, options: ExportOptions) -> None:
    for one in fields(options):
        if one.name not in OF_ALL and one.name not in layout.options and getattr(options, one.name) != one.default:
            known = ", ".join(f"`{name}`" for name in sorted(layout.options | OF_ALL))
            raise OptionError(one.name, f"means nothing to the layout {layout.name}, which takes {known}")


@dataclass(frozen=True, slots=True)
class _Planned:
    """What a clip becomes, and what of it is in no piece."""

    pieces: tuple[Piece, ...]
    part: Part
    unused: str = ""


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a clip ended, why, and what it became where it lies in the folder."""

    clip: str
    outcome: _Outcome
    why: str = ""
    planned: _Planned | None = None


class _Writer:
    """Writes the clips of one export."""

    def __init__(
        self,
        dataset: Dataset,
        work: WorkFolder,
        layout: Layout,
        options: ExportOptions,
        models: ModelRepository,
        out: Path,
        names: dict[str, str],
    ) -> None:
        self._dataset, self._work, self._layout, self._options = dataset, work, layout, options
        self._models, self._out, self._names = models, out, names
        self._target = ExportFolder(out, layout.name)
        least = layout.lengths.least_seconds if options.least_seconds is None else options.least_seconds
        most = layout.lengths.most_seconds if options.most_seconds is None else options.most_seconds
        if most is not None and most < least:
            raise OptionError("most_seconds", f"{most:g} is less than the least, {least:g}")
        self._lengths = Lengths(least, most)
        self._parts: list[Part] = []

    def run(self, jobs: int, advance: Callable[[int, int], None]) -> ExportResult:
        """Write all."""
        total, layout = len(self._dataset), self._layout
        try:
            self._target.refuse_strangers(layout.list_files)
        except StrangerError as error:
            raise OutTakenError(str(error)) from error
        ended: dict[str, _Ended] = {}
        with ThreadPoolExecutor(jobs) as pool:
            clips = self._bundled(pool, layout) if isinstance(layout, BundledLayout) else self._single(pool)
            for one in clips:
                ended[one.clip] = one
                advance(len(ended), total)
        told = [ended[name] for name in self._dataset]
        pieces = [piece for one in told if one.planned is not None for piece in one.planned.pieces]
        if not pieces:
            first = next(one for wanted in ("failed", "left_out") for one in told if one.outcome == wanted)
            raise NothingToExportError(f"no clip of {counted(total, 'clip')} can be written. {first.clip}: {first.why}")
        parts = [*self._parts, self._lists(pieces)]
        self._record(pieces, parts)
        # What an earlier export made of a clip that failed stays, and no list has it: it may be well again.
        self._target.keep_only(parts, [_part_name(one.clip) for one in told if one.outcome == "failed"])
        return ExportResult(
            tuple(pieces),
            tuple(one.clip for one in told if one.outcome == "written"),
            tuple(one.clip for one in told if one.outcome == "kept"),
            tuple((one.clip, one.why) for one in told if one.outcome == "left_out"),
            tuple((one.clip, one.why) for one in told if one.outcome == "failed"),
            tuple((one.clip, one.planned.unused) for one in told if one.planned is not None and one.planned.unused),
            (),
            tuple(self._target.stale),
        )

    def _single(self, pool: ThreadPoolExecutor) -> Iterator[_Ended]:
        """Write clips that lie in the folder by themselves."""

        def made(name: str) -> _Ended:
            plan = self._plan(name)
            return plan if plan.planned is None else self._write(name, plan.planned)

        for one in pool.map(made, self._dataset):
            if one.planned is not None:
                self._parts.append(one.planned.part)
            yield one

    def _bundled(self, pool: ThreadPoolExecutor, layout: BundledLayout) -> Iterator[_Ended]:
        """Write clips into bundles; the clips of a bundle that is there need not be there themselves."""
        plans = {one.clip: one for one in pool.map(self._plan, self._dataset)}
        yield from (one for one in plans.values() if one.planned is None)
        pieces = [piece for one in plans.values() if one.planned is not None for piece in one.planned.pieces]
        for bundle in layout.bundles(pieces, self._options):
            clips = {name: plans[name].planned for name in dict.fromkeys(piece.clip for piece in bundle.pieces)}
            planned = {name: one for name, one in clips.items() if one is not None}
            part = _bundle_part(bundle, planned.values())
            if self._target.holds(part):
                self._parts.append(part)
                yield from (_Ended(name, "kept", planned=one) for name, one in planned.items())
                continue
            try:
                self._target.refuse_strangers(part.files)
            except StrangerError as error:
                yield from (_Ended(name, "failed", str(error)) for name in planned)
                continue
            ended = list(pool.map(self._write, planned, planned.values()))
            there = {one.clip: one.planned for one in ended if one.planned is not None}
            if there:
                whole = replace(bundle, pieces=tuple(piece for piece in bundle.pieces if piece.clip in there))
                ended = self._write_bundle(whole, there, ended, layout)
            yield from ended

    def _write_bundle(
        self, bundle: Bundle, clips: Mapping[str, _Planned], ended: list[_Ended], layout: BundledLayout
    ) -> list[_Ended]:
        part = _bundle_part(bundle, clips.values())
        try:
            self._target.write(part, lambda folder: layout.bundle(bundle, self._options, self._out, folder))
        except StrangerError as error:
            return [_Ended(one.clip, "failed", str(error)) if one.clip in clips else one for one in ended]
        for one in clips.values():
            self._target.drop(one.part)
        self._parts.append(part)
        return ended

    def _plan(self, name: str) -> _Ended:
        """Say what a clip becomes; of its files only small ones are read."""
        layout = self._layout
        try:
            finished = finished_clip(self._dataset, name)
            self._work.require(finished, layout.needs | PIECES_FROM, layout.name)
            material = self._material(finished, PIECES_FROM | layout.needs & {"fit"})
            pieces = pieces_of(material, layout, self._lengths, self._names[name])
        except (ClipGoneError, DatasetError) as error:
            return _Ended(name, "failed", str(error))
        if isinstance(pieces, str):
            return _Ended(name, "left_out", pieces)
        unused = unused_of(material, pieces)
        return _Ended(name, "kept", planned=_Planned(pieces, self._part(finished, pieces), unused))

    def _write(self, name: str, planned: _Planned) -> _Ended:
        """Write a clip that is not there."""
        layout = self._layout
        if self._target.holds(planned.part):
            return _Ended(name, "kept", planned=planned)
        try:
            material = self._material(finished_clip(self._dataset, name), layout.needs | PIECES_FROM)

            def make(folder: Path) -> None:
                for piece in planned.pieces:
                    layout.write(piece, material, self._options, folder)

            self._target.write(planned.part, make)
        except UnsuitableClipError as error:
            return _Ended(name, "left_out", str(error))
        except (ClipGoneError, DatasetError, ModelError, StrangerError, UnknownModelError) as error:
            return _Ended(name, "failed", str(error))
        return _Ended(name, "written", planned=planned)

    def _material(self, clip: FinishedClip, kinds: frozenset[Kind]) -> ClipMaterial:
        rate = None if self._options.fps is None else Fraction(self._options.fps)
        return ClipMaterial(clip, self._work.files(clip, kinds), self._models, rate)

    def _part(self, clip: FinishedClip, pieces: Sequence[Piece]) -> Part:
        layout, options = self._layout, self._options
        # What only lists are made with is not in the files of a clip.
        given = {name: value for name, value in asdict(options).items() if name not in OF_LISTS}
        made_of = [ENGINE_VERSION, layout.version, clip.fingerprint, given, [repr(one) for one in pieces]]
        paths = tuple(path for piece in pieces for path in layout.paths(piece, options))
        preprocessed: tuple[str, ...] = ()
        if isinstance(layout, PreprocessedLayout):
            preprocessed = tuple(path for piece in pieces for path in layout.preprocessed(piece))
        digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
        return Part(_part_name(clip.name), digest, paths, preprocessed)

    def _lists(self, pieces: Sequence[Piece]) -> Part:
        lists = self._layout.lists(pieces, self._options, self._out)
        if unnamed := sorted(lists.keys() - set(self._layout.list_files)):
            raise ValueError(f"the layout {self._layout.name} writes {unnamed[0]}, which its list_files does not name")
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


def _part_name(clip: str) -> str:
    return f"clip {clip}"


def _bundle_part(bundle: Bundle, clips: Iterable[_Planned]) -> Part:
    made_of = [bundle.name, *(clip.part.fingerprint for clip in clips)]
    return Part(
        f"bundle {bundle.name}",
        hashlib.sha256(json.dumps(made_of).encode()).hexdigest(),
        bundle.files,
        bundle.preprocessed,
    )
