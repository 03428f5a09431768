"""A whole run of the embedded mode: clips, pack, and the files that users look at."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.events import Event
from orchestrator.naming import NamedSource, avoid_names
from orchestrator.pipeline import CLIP_STAGES, RunParameters, packed_artifacts
from orchestrator.runners.in_process import ClipResult, InProcessRunner, RunResult, StageRecord
from services.pack.messages import PackedClip, PackInputs, PackParameters
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.manifest import Rejection
from talkmill.dataset.reader import DatasetError, read_clip, read_manifest
from talkmill.stage.contract import Stage
from talkmill.stage.digest import to_json

CAMERA = "AD-NeRF: p = R v + t, R = Rx(theta) Ry(phi) Rz(psi), looking down -z; focal in pixels of a 512 crop"


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
    rejected = _rejected_rows(result)
    ready = [clip for clip in result.clips if clip.rejected is None]
    packed = tuple(_packed_clip(clip) for clip in ready)
    removed = _stale_names(database, sources, {clip.name for clip in ready})
    pack: StageRecord | None = None
    if packed or removed:
        _, pack = runner.run_stage("data set", "pack", PackInputs(packed, removed, PackParameters(size)))
        for name in removed:
            for path in (folder / "audio" / f"{name}.wav", folder / "preview" / f"{name}.jpg"):
                path.unlink(missing_ok=True)
    _write(folder / "rejected.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected))
    report = _report(result, parameters, pack)
    _write(folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(scratch, ignore_errors=True)
    records = [record for records in result.source_records.values() for record in records.values()]
    records += [clip.records[stage] for clip in result.clips for stage in CLIP_STAGES if stage in clip.records]
    records += [pack] if pack else []
    executed = sum(not record.cached for record in records)
    return RunSummary(tuple(clip.name for clip in packed), tuple(rejected), executed)


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


def _packed_clip(clip: ClipResult) -> PackedClip:
    return PackedClip(name=clip.name, split=clip.source.split, meta=_meta(clip), **packed_artifacts(clip.progress))


def _meta(clip: ClipResult) -> dict[str, Any]:
    """Return what travels with a clip as `-meta`; nothing in it depends on when or where the run was."""
    split = clip.progress.clip
    outputs = clip.progress.outputs
    models = {model.id: model.sha256 for record in clip.records.values() for model in record.manifest.models}
    return {
        "source": clip.provenance | {"original_name": clip.source.original_name, "sha256": clip.source.sha256},
        "person": clip.source.person,
        "licence": clip.provenance.get("licence"),
        "rate": split.rate,
        "start_seconds": split.start_seconds,
        "frame_count": split.frame_count,
        "stages": {stage: record.manifest.stage_version for stage, record in sorted(clip.records.items())},
        "models": dict(sorted(models.items())),
        "morphable_basis": outputs["fine_fit"].measurements["basis"],
        "camera": CAMERA,
        "not_estimated": {"coeff_3dmm": ["texture [144:224]", "gamma [227:254]"]},
        "measurements": {
            "split": split.measurements,
            **{stage: outputs[stage].measurements for stage in CLIP_STAGES},
        },
        "notes": list(split.notes) + [note for stage in CLIP_STAGES for note in getattr(outputs[stage], "notes", ())],
    }


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


def _rejected_rows(result: RunResult) -> list[dict[str, Any]]:
    rows = [_row(subject, source, stage, rejection) for subject, source, stage, rejection in result.refused]
    return rows + [_row(clip.name, clip.source, *clip.rejected) for clip in result.clips if clip.rejected]


def _row(subject: str, source: NamedSource, stage: str, rejection: Rejection) -> dict[str, Any]:
    return {"clip": subject, "source": source.original_name, "stage": stage} | asdict(rejection)


def _report(result: RunResult, parameters: RunParameters, pack: StageRecord | None) -> dict[str, Any]:
    clips = []
    for clip in result.clips:
        split = clip.progress.clip
        clips.append(
            {
                "clip": clip.name,
                "source": clip.source.original_name,
                "person": clip.source.person,
                "split": clip.source.split,
                "outcome": "rejected" if clip.rejected else "packed",
                "rejection": {"stage": clip.rejected[0], **asdict(clip.rejected[1])} if clip.rejected else None,
                "frame_count": split.frame_count,
                "rate": split.rate,
                "start_seconds": split.start_seconds,
                "width": split.width,
                "height": split.height,
                "measurements": split.measurements,
                "notes": list(split.notes),
                "stages": {stage: _stage_report(record) for stage, record in clip.records.items()},
            }
        )
    return {
        "talkmill": version("talkmill"),
        "parameters": to_json(parameters),
        "clips": clips,
        "rejected": _rejected_rows(result),
        "pack": _stage_report(pack) if pack else None,
    }


def _stage_report(record: StageRecord) -> dict[str, Any]:
    manifest = record.manifest
    outputs = manifest.outputs or {}
    return {
        "cached": record.cached,
        "version": manifest.stage_version,
        "action_digest": manifest.action_digest,
        "started_at": manifest.started_at,
        "fetch_seconds": manifest.fetch_seconds,
        "execute_seconds": manifest.execute_seconds,
        "upload_seconds": manifest.upload_seconds,
        "execution_provider": manifest.execution_provider,
        "models": {model.id: model.sha256 for model in manifest.models},
        "measurements": outputs.get("measurements", {}),
        "notes": outputs.get("notes", []),
    }


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)
