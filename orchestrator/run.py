"""A whole run of the embedded mode: clips, pack, and the files that users look at."""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.events import Event
from orchestrator.folders import WORK_BUCKET
from orchestrator.naming import NamedSource, avoid_names
from orchestrator.pipeline import CLIP_STAGES, RunParameters
from orchestrator.report import ClipResult, StageRecord, packed_clip, rejected_rows, run_report
from orchestrator.runners.in_process import InProcessRunner
from services.pack.messages import PackInputs, PackParameters, encode_clips
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.dataset.reader import DatasetError, read_clip, read_manifest
from talkmill.stage.contract import Stage


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to.

    Attributes:
        packed: Names of the run's clips in the set.
        rejected: Rows of `rejected.jsonl`.
        executed: Stages that were executed, not found.
    """

    packed: tuple[str, ...]
    rejected: tuple[dict[str, Any], ...]
    executed: int


def run_dataset(
    folder: Path,
    sources: Sequence[NamedSource],
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
        sources: What to run.
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
    size = parameters.crop.size
    database = folder / "lmdb" / str(size)
    sources = avoid_names(sources, _known_sources(database))
    scratch = folder / "work" / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)

    def show(clip: ClipResult) -> None:
        _show(store, clip.progress.clip.audio, folder / "audio" / f"{clip.name}.wav")
        _show(store, clip.progress.outputs["fine_fit"].preview, folder / "preview" / f"{clip.name}.jpg")

    runner = InProcessRunner(stages, store, scratch, parameters, emit, cancelled, show)
    result = runner.run(sources, jobs)
    rejected = rejected_rows(result)
    ready = [clip for clip in result.clips if clip.rejected is None]
    packed = tuple(packed_clip(clip) for clip in ready)
    removed = _stale_names(database, sources, {clip.name for clip in ready})
    pack: StageRecord | None = None
    if packed or removed:
        clips = _stored_list(store, encode_clips(packed))
        _, pack = runner.run_stage("data set", "pack", PackInputs(clips, removed, PackParameters(size)))
        for name in removed:
            for path in (folder / "audio" / f"{name}.wav", folder / "preview" / f"{name}.jpg"):
                path.unlink(missing_ok=True)
    _write(folder / "rejected.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected))
    report = run_report(result, parameters, pack)
    _write(folder / "report.json", report)
    shutil.rmtree(scratch, ignore_errors=True)
    records = [record for records in result.source_records.values() for record in records.values()]
    records += [clip.records[stage] for clip in result.clips for stage in CLIP_STAGES if stage in clip.records]
    records += [pack] if pack else []
    executed = sum(not record.cached for record in records)
    return RunSummary(tuple(clip.name for clip in packed), tuple(rejected), executed)


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
    try:
        clips = read_manifest(database).clips if (database / "data.mdb").is_file() else {}
        sources = {_base(name): read_clip(database, name).meta["source"] for name in clips}
    except (DatasetError, ValueError):
        return {}
    return {name: source["sha256"] or source["uri"] for name, source in sources.items()}


def _stale_names(folder: Path, sources: Sequence[NamedSource], ready: set[str]) -> tuple[str, ...]:
    """Clips of this run's sources that an earlier run packed and this one did not make."""
    try:
        known = read_manifest(folder).clips if (folder / "data.mdb").is_file() else {}
    except (DatasetError, ValueError):
        return ()
    bases = {source.name for source in sources}
    return tuple(name for name in known if name not in ready and _base(name) in bases)


def _show(store: LocalStore, artifact: Artifact, target: Path) -> None:
    """Put an artifact where users look: a hard link, or a copy where the file system has none."""
    source = store.fetch(artifact)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(source):
        return
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    part.replace(target)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)
