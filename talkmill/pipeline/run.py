"""A run of sources into the data set of a folder: clips, pack, and the files that users look at."""

import filecmp
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from talkmill.address import address_sha256
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.manifest import StageRecord
from talkmill.dataset.environment import DatasetError
from talkmill.dataset.lock import locked
from talkmill.dataset.manifest import DamagedEntryError
from talkmill.dataset.reader import Dataset, read_manifest
from talkmill.dataset.writer import DatasetWriter
from talkmill.files import replacing, write_whole
from talkmill.pipeline.events import Event, FilesPassedOver, Note, RunStarted
from talkmill.pipeline.finished import ClipGoneError, finished_clip
from talkmill.pipeline.folders import WORK_BUCKET
from talkmill.pipeline.graph import FIRST, PACK, RunParameters, RunProgress, names_of, node_of, preview_of, stages_for
from talkmill.pipeline.in_process import InProcessRunner
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.naming import FoundSources, NamedSource, distinct_sources, unique_names
from talkmill.pipeline.removal import remove_shown
from talkmill.pipeline.report import ClipResult, ReportWriter, RunResult, packed_clip, rejected_rows
from talkmill.pipeline.search import PassedOver
from talkmill.stages.contract import Stage
from talkmill.stages.errors import LostInputError, NotWritableError, OtherSetError, SetDamagedError, is_verdict
from talkmill.stages.execution import artifacts_of
from talkmill.stages.pack.messages import encode_clips


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to.

    Attributes:
        packed: Names of the run's clips in the set.
        rejected: Rows of `rejected.jsonl`.
        executed: Stages that were executed, not found.
        removed: Clips of earlier runs that this one took out of the set: their source was judged anew.
        clip_count: Clips of the whole set.
        passed_over: Files of the inputs that are no sources: copies, other kinds of files, and so on.
        previewed: Names of the run's clips that have a preview.
    """

    packed: tuple[str, ...]
    rejected: tuple[dict[str, Any], ...]
    executed: int
    removed: tuple[str, ...]
    clip_count: int
    passed_over: tuple[PassedOver, ...] = ()
    previewed: tuple[str, ...] = ()


def run_dataset(
    folder: Path,
    found: FoundSources,
    stages: dict[str, Stage[Any, Any]],
    store: LocalStore,
    parameters: RunParameters,
    jobs: int,
    emit: Callable[[Event], None],
    cancelled: threading.Event,
) -> RunSummary:
    """Run sources into the data set of a folder.

    Args:
        folder: The run's folder.
        found: What to run.
        stages: Stage name to stage.
        store: The folder's store.
        parameters: Of every stage.
        jobs: Sources and clips at a time.
        emit: Called with every event.
        cancelled: Set to stop.

    Returns:
        What it came to.

    Raises:
        StageError: The run had to stop; finished stages are kept.
    """
    with locked(folder, "run"):
        size = parameters.crop.size
        database = folder / "lmdb" / str(size)
        _mend_set(database, size)
        known = _known_sources(database)
        found = distinct_sources(found, known)
        sources = unique_names(found.sources, known)
        found_kinds = held_kinds(database) if parameters.kinds else {}
        # What this run has no stages for was made by another one since they were built.
        held = {name: kinds for name, kinds in found_kinds.items() if stages_for(kinds) <= stages.keys()}
        emit(RunStarted(len(sources), names_of("clip", kinds=parameters.kinds)))
        if found.passed_over:
            emit(FilesPassedOver(found.passed_over))
        for source in sources:
            for name in sorted(name for name, held in known.items() if held == source.identity and name != source.name):
                text = f"the set holds the same as {name} already: take those clips out with `talkmill dataset remove`"
                emit(Note(source.shown_name, FIRST, text))
        scratch = folder / "work" / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)

        def show(clip: ClipResult) -> None:
            _show(store, clip.progress.clip.audio, folder / "audio" / f"{clip.name}.wav")
            preview = preview_of(clip.progress)
            if preview is not None:
                _show(store, preview, folder / "preview" / f"{clip.name}.jpg")

        runner = InProcessRunner(stages, store, scratch, parameters, emit, cancelled, show, held)
        result = runner.run(sources, jobs)
        for name, text in _replaced(database, result.clips):
            emit(Note(name, PACK, text))
        pack: StageRecord | None = None
        removed: tuple[str, ...] = ()
        changed = False
        # A set that is there is looked at even where nothing changes: an earlier run may have been killed in it.
        while any(clip.rejected is None for clip in result.clips) or database.is_dir():
            ready = [clip for clip in result.clips if clip.rejected is None]
            removed = _outdated(_set_names(database), sources, result)
            clips = _stored_list(store, encode_clips(packed_clip(clip) for clip in ready))
            try:
                outputs, pack = runner.run_stage(
                    "data set", PACK, node_of(PACK).request(RunProgress(clips, removed), parameters)
                )
            except LostInputError as error:
                _mend_clip(runner, ready, error)
                continue
            changed = bool(removed or outputs.measurements["written_clip_count"])
            for name in removed:
                remove_shown(folder, name)
            break
        rejected = rejected_rows(result)
        packed = tuple(clip.name for clip in result.clips if clip.rejected is None)
        records = [record for records in result.source_records.values() for record in records.values()]
        records += [clip.records[stage] for clip in result.clips for stage in names_of("clip") if stage in clip.records]
        executed = sum(not record.cached for record in records) + changed
        write_whole(
            folder / "rejected.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected).encode()
        )
        with replacing(folder / "report.json") as part, part.open("w", encoding="utf-8") as file:
            report = ReportWriter(file, parameters, found.passed_over)
            for clip in result.clips:
                report.clip(clip)
            report.end(rejected, pack)
        shutil.rmtree(scratch, ignore_errors=True)
        return RunSummary(
            packed,
            tuple(rejected),
            executed,
            removed,
            len(_set_names(database)),
            found.passed_over,
            tuple(clip.name for clip in result.clips if clip.rejected is None and preview_of(clip.progress)),
        )


def _replaced(database: Path, clips: Sequence[ClipResult]) -> Iterator[tuple[str, str]]:
    """Yield clips that take the place of one of other frames of the same source, and what to know of it."""
    if not (database / "data.mdb").is_file():
        return
    with Dataset(database) as dataset:
        held = set(dataset)
        for clip in clips:
            if clip.rejected is not None or clip.name not in held:
                continue
            try:
                meta = dataset.meta(clip.name)
                start, count = float(meta["start_seconds"]), int(meta["frame_count"])
            except (DatasetError, KeyError, TypeError, ValueError):
                # A damaged clip is replaced anyway.
                continue
            new = clip.progress.clip
            if (new.start_seconds, new.frame_count) != (start, count):
                yield (
                    clip.name,
                    f"takes the place of the {count} frames from {start:.2f} s that the set held of this source; to "
                    "have several ranges of a source, give them all in one command",
                )


def _outdated(names: Sequence[str], sources: Sequence[NamedSource], result: RunResult) -> tuple[str, ...]:
    """Return clips of the set whose source this run judged, and that it did not make.

    What failed, a network or a disk, is no judgement: the clip of an earlier run stays.
    """
    failed = {source.name for source, _, why in result.refused if not is_verdict(why)}
    kept = {clip.name for clip in result.clips if clip.rejected is None or not is_verdict(clip.rejected[1])}
    judged = {source.name for source in sources} - failed
    return tuple(name for name in names if _base(name) in judged and name not in kept)


def _mend_clip(runner: InProcessRunner, ready: Sequence[ClipResult], error: LostInputError) -> None:
    """Run the clip again whose artifact pack could not read; a second loss of the same rejects it.

    Raises:
        LostInputError: It belongs to no clip.
    """
    for clip in ready:
        if error.artifact in tuple(artifacts_of((clip.progress.clip, tuple(clip.progress.outputs.values())))):
            if runner.heal(clip.name, PACK, error):
                runner.run_clip(clip)
            else:
                clip.rejected = (PACK, error.rejection())
            return
    raise error


def _mend_set(database: Path, size: int) -> None:
    """Take out of a set what a killed run left half written, before anything is asked of it.

    Raises:
        NotWritableError: The set is one of another schema or tool, is cut short, or somebody writes into it.
        OtherSetError: The set is one of another size.
        SetDamagedError: The entry of a clip is damaged.
    """
    others = sorted(path.parent.name for path in database.parent.glob("*/data.mdb") if path.parent != database)
    if others:
        raise OtherSetError(f"{database.parent} holds a set of {others[0]} pixels, {size} were asked for")
    if not (database / "data.mdb").is_file():
        return
    try:
        with DatasetWriter(database, size):
            pass
    except DamagedEntryError as error:
        raise SetDamagedError(f"{database}: {error.finding}") from error
    except ValueError as error:
        raise NotWritableError(str(error)) from error


def _stored_list(store: LocalStore, content: bytes) -> Artifact:
    digest = hashlib.sha256(content).hexdigest()
    key = f"pack/lists/{digest}.jsonl"
    store.write(WORK_BUCKET, key, content)
    return Artifact(WORK_BUCKET, key, digest, len(content), "application/jsonl")


def _base(clip_name: str) -> str:
    """Return the name of the source that a clip was cut from."""
    return clip_name.split("#")[-1].rpartition("_")[0]


def _known_sources(database: Path) -> dict[str, str]:
    """Return what an earlier run packed: names of sources and what they held."""
    known: dict[str, str] = {}
    if not (database / "data.mdb").is_file():
        return known
    with Dataset(database) as dataset:
        for name in dataset:
            try:
                source = dataset.meta(name)["source"]
                held = source["sha256"] or source.get("address_sha256")
                # Sets of before 2026-11-27 hold the address itself.
                known[_base(name)] = held or address_sha256(source["uri"])
            except (DatasetError, KeyError, TypeError):
                # A damaged clip is packed again where its source is run again.
                continue
    return known


def held_kinds(database: Path) -> dict[str, frozenset[Kind]]:
    """Return the kinds of files that a set has of its clips, by the names of their sources.

    A run for fewer layouts makes them again, of what is kept: no clip gets poorer.

    Args:
        database: The folder of `data.mdb`; there need not be a set yet.

    Raises:
        DatasetError: The set cannot be read.
    """
    held: dict[str, frozenset[Kind]] = {}
    if not (database / "data.mdb").is_file():
        return held
    with Dataset(database) as dataset:
        for name in dataset:
            try:
                made = finished_clip(dataset, name).made_from
            except (ClipGoneError, DatasetError):
                # Of a damaged clip, or one of talkmill 0.1, nothing is known.
                continue
            held[_base(name)] = held.get(_base(name), frozenset()) | frozenset(made)
    return held


def _set_names(database: Path) -> list[str]:
    """Return the clips of a set; none where there is no set yet."""
    return list(read_manifest(database).clips) if (database / "data.mdb").is_file() else []


def _show(store: LocalStore, artifact: Artifact, target: Path) -> None:
    """Copy an artifact to where users look: what they do to it does not reach the store."""
    source = store.fetch(artifact)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    with replacing(target) as part:
        shutil.copyfile(source, part)
