"""The records of a run: the set's `-meta`, report.json, rejected.jsonl."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, TextIO

from talkmill.artifacts.artifact import Key, Sha256, SizeBytes
from talkmill.artifacts.manifest import Rejection, StageRecord
from talkmill.pipeline.graph import (
    CLIPS_FROM,
    FIRST,
    ClipProgress,
    RunParameters,
    alpha_region_of,
    clip_artifacts,
    morphable_of,
    names_of,
    not_made,
    packed_artifacts,
)
from talkmill.pipeline.naming import NamedSource
from talkmill.pipeline.search import PassedOver
from talkmill.stages.digest import to_json
from talkmill.stages.errors import remedy_of
from talkmill.stages.pack.messages import PackedClip

CAMERA = "AD-NeRF: p = R v + t, R = Rx(theta) Ry(phi) Rz(psi), looking down -z; focal in pixels of a 512 crop"


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """A file that a clip was made from, as `-meta` names it.

    Attributes:
        key: Stage, digest of what the stage was asked, and file name: the same wherever the run was.
        sha256: Hex digest of the content.
        size_bytes: Length of the content.
    """

    key: Key
    sha256: Sha256
    size_bytes: SizeBytes


@dataclass(slots=True)
class ClipResult:
    """One clip after the run.

    Attributes:
        name: Its name in the set.
        source: Where it comes from.
        progress: The clip and its outputs.
        provenance: Of its source.
        records: Stage name to how it ended; also of the source's stages.
        rejected: Stage and rejection; None for a clip that goes into the set.
    """

    name: str
    source: NamedSource
    progress: ClipProgress
    provenance: dict[str, str]
    records: dict[str, StageRecord]
    rejected: tuple[str, Rejection] | None = None


@dataclass(slots=True)
class RunResult:
    """A finished run.

    Attributes:
        clips: Every clip, in order of sources.
        refused: Sources and candidates that did not become clips: source, stage, rejection.
        source_records: Source name to its stages.
    """

    clips: list[ClipResult] = field(default_factory=list)
    refused: list[tuple[NamedSource, str, Rejection]] = field(default_factory=list)
    source_records: dict[str, dict[str, StageRecord]] = field(default_factory=dict)


def packed_clip(clip: ClipResult) -> PackedClip:
    """Return what pack is told of a finished clip."""
    return PackedClip(name=clip.name, split=clip.source.split, meta=_meta(clip), **packed_artifacts(clip.progress))


def _meta(clip: ClipResult) -> dict[str, Any]:
    """Return what travels with a clip as `-meta`; nothing in it depends on when or where the run was."""
    split = clip.progress.clip
    outputs = clip.progress.outputs
    stages = [stage for stage in names_of("clip") if stage in outputs]
    region, absent = alpha_region_of(clip.progress), not_made(clip.progress)
    models = {name: digest for record in clip.records.values() for name, digest in record.models.items()}
    return {
        "source": clip.provenance | _told_of(clip.source),
        "person": clip.source.person,
        "licence": clip.provenance.get("licence"),
        "rate": split.rate,
        "start_seconds": split.start_seconds,
        "frame_count": split.frame_count,
        "stages": {stage: record.stage_version for stage, record in sorted(clip.records.items())},
        "models": dict(sorted(models.items())),
        "made_from": {
            kind: asdict(MadeFrom(one.key, one.sha256, one.size_bytes))
            for kind, one in clip_artifacts(clip.progress).items()
        },
        "alpha_region": None if region is None else asdict(region),
        "morphable_basis": morphable_of(clip.progress),
        "camera": CAMERA,
        "not_estimated": {"coeff_3dmm": ["texture [144:224]", "gamma [227:254]"]},
        "measurements": {
            CLIPS_FROM: split.measurements,
            **{stage: outputs[stage].measurements for stage in stages},
        },
        "notes": [
            *_notes(outputs.get(FIRST)),
            *split.notes,
            *(note for stage in stages for note in _notes(outputs[stage])),
        ],
    } | ({"absent": absent} if absent else {})


def _told_of(source: NamedSource) -> dict[str, str]:
    told = {"original_name": source.original_name, "sha256": source.sha256}
    # An address may hold secrets: a later run knows it again by its hash.
    return told if source.sha256 else told | {"address_sha256": source.identity}


def rejected_rows(result: RunResult) -> list[dict[str, Any]]:
    """Return the rows of rejected.jsonl."""
    rows = [rejected_row(source.name, source, stage, rejection) for source, stage, rejection in result.refused]
    return rows + [rejected_row(clip.name, clip.source, *clip.rejected) for clip in result.clips if clip.rejected]


def rejected_row(subject: str, source: NamedSource, stage: str, rejection: Rejection) -> dict[str, Any]:
    """Return one row of rejected.jsonl."""
    return {"clip": subject, "source": source.original_name, "stage": stage} | _told(rejection)


class ReportWriter:
    """Writes report.json clip by clip: memory stays flat."""

    def __init__(self, file: TextIO, parameters: RunParameters, passed_over: Sequence[PassedOver] = ()) -> None:
        """Begin the report.

        Args:
            file: Open for writing.
            parameters: Of the run.
            passed_over: Files of its inputs that are no sources.
        """
        self._file, self._clip_count = file, 0
        file.write(
            f'{{\n"talkmill": {_json(version("talkmill"))},\n"parameters": {_json(to_json(parameters))},\n'
            f'"passed_over": {_json([asdict(row) for row in passed_over])},\n"clips": ['
        )

    def clip(self, clip: ClipResult) -> None:
        """Add a clip."""
        self._file.write(("," if self._clip_count else "") + "\n" + _json(clip_report(clip)))
        self._clip_count += 1

    def end(self, rejected: list[dict[str, Any]], pack: StageRecord | None) -> None:
        """End the report.

        Args:
            rejected: Rows of rejected.jsonl.
            pack: How the set was packed; None where it was not.
        """
        packed = None if pack is None else _stage_report(pack, None)
        self._file.write(f'\n],\n"rejected": {_json(rejected)},\n"pack": {_json(packed)}\n}}\n')


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def clip_report(clip: ClipResult) -> dict[str, Any]:
    """Return what report.json says of a clip."""
    split = clip.progress.clip
    return {
        "clip": clip.name,
        "clip_index": split.index,
        "source": clip.source.original_name,
        "person": clip.source.person,
        "split": clip.source.split,
        "outcome": "rejected" if clip.rejected else "packed",
        "rejection": {"stage": clip.rejected[0], **_told(clip.rejected[1])} if clip.rejected else None,
        "frame_count": split.frame_count,
        "rate": split.rate,
        "start_seconds": split.start_seconds,
        "width": split.width,
        "height": split.height,
        "measurements": split.measurements,
        "notes": list(split.notes),
        "stages": {
            stage: _stage_report(record, clip.progress.outputs.get(stage)) for stage, record in clip.records.items()
        },
    }


def _stage_report(record: StageRecord, outputs: Any) -> dict[str, Any]:
    written = asdict(record)
    written["version"] = written.pop("stage_version")
    del written["worker"]
    return written | {
        "measurements": getattr(outputs, "measurements", {}),
        "notes": list(_notes(outputs)),
    }


def _told(rejection: Rejection) -> dict[str, Any]:
    return asdict(rejection) | {"remedy": remedy_of(rejection.reason)}


def _notes(outputs: Any) -> tuple[str, ...]:
    return getattr(outputs, "notes", ())
