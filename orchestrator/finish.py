"""The end of a run: the list that pack reads, and the files that users fetch, copied where nothing expires."""

import json
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.engine import Task
from orchestrator.ledger.database import until_answered
from orchestrator.ledger.executions import Executions
from orchestrator.ledger.runs import Runs
from orchestrator.ledger.tables import CANCELLED, FAILED, SUCCEEDED
from orchestrator.ledger.values import ARTIFACT, CLIP, OUTPUTS, RECORD
from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.artifacts.manifest import Rejection, StageRecord
from talkmill.artifacts.s3 import S3Store
from talkmill.pipeline.folders import WORK_BUCKET
from talkmill.pipeline.graph import (
    CLIPS_FROM,
    FIRST,
    PACK,
    ClipProgress,
    RunParameters,
    SourceProgress,
    clip_artifacts,
    preview_of,
    provenance_of,
)
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.naming import NamedSource
from talkmill.pipeline.report import (
    ClipResult,
    ReportWriter,
    packed_clip,
    rejected_row,
)
from talkmill.stages.execution import artifacts_of, forget
from talkmill.stages.pack.messages import encode_clips

COPIES_AT_ONCE = 8
BATCH = 100
# Lists every file of a run, one line each: path and artifact.
INDEX = "files.jsonl"


class Finisher:
    """Writes lists, reports and copies into the store; the ledger decides when."""

    def __init__(
        self,
        runs: Runs,
        executions: Executions,
        store: S3Store,
        work_bucket: str,
        dataset_bucket: str,
    ) -> None:
        self._runs, self._executions, self._store = runs, executions, store
        self._work_bucket, self._dataset_bucket = work_bucket, dataset_bucket

    def clip_list(self, run_id: str) -> Artifact:
        """Write what pack reads of the clips that succeeded; the same clips give the same object."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "clips.jsonl"
            with path.open("wb") as file:
                for clip in self._results(run_id):
                    if clip.rejected is None:
                        file.write(encode_clips([packed_clip(clip)]))
            key = f"pack/lists/{sha256_of(path)}.jsonl"
            return self._store.put(path, self._work_bucket, key, "application/jsonl")

    def forget(self, artifact: Artifact) -> str:
        """Drop a lost artifact with the record of what made it; returns the stage that did, or nothing."""
        stage = forget(self._store, artifact)
        return stage if stage in OUTPUTS else ""

    def clips_of(self, run_id: str, artifact: Artifact) -> list[str]:
        """Return the clips that an artifact belongs to, of those that the set is to hold."""
        return [
            clip.name
            for clip in self._results(run_id)
            if clip.rejected is None
            and artifact in tuple(artifacts_of((clip.progress.clip, tuple(clip.progress.outputs.values()))))
        ]

    def run(self, task: Task) -> None:
        """Give a run's files their place, and end the run."""
        run_id = task.run_id
        view = until_answered(lambda: self._runs.get(run_id), "run")
        pack = self._runs.execution(run_id, PACK)
        packed = pack is not None and pack["state"] == SUCCEEDED
        with TemporaryDirectory() as folder:
            report, rejects, index = (Path(folder) / name for name in ("report.json", "rejected.jsonl", INDEX))
            record = RECORD.validate_json(pack["record"]) if pack is not None and packed else None
            with index.open("w") as listed:
                paths: set[str] = set()

                def list_file(path: str, artifact: Artifact) -> None:
                    # Clips may share the video of their source.
                    if path not in paths:
                        listed.write(json.dumps({"path": path, "artifact": asdict(artifact)}) + "\n")
                    paths.add(path)

                if pack is not None and packed:
                    outputs = OUTPUTS[PACK].validate_json(pack["outputs"])
                    list_file(f"lmdb/{view.parameters.crop.size}/data.mdb", outputs.database)
                    for one in outputs.lists:
                        list_file(f"lmdb/{one.key.rpartition('/')[2]}", one)
                self._write_reports(run_id, report, rejects, view.parameters, record, list_file)
                for path, kind in ((report, "application/json"), (rejects, "application/jsonl")):
                    name = path.name
                    list_file(name, self._store.put(path, self._dataset_bucket, self._place(run_id, name), kind))
            kept = {json.loads(line)["artifact"]["key"] for line in index.read_text().splitlines()}
            self._store.put(index, self._dataset_bucket, self._place(run_id, INDEX), "application/jsonl")
        self._remove_stale(run_id, kept | {self._place(run_id, INDEX)})
        state, reason, message = (SUCCEEDED, None, None) if packed else (FAILED, "NO_CLIP", "no clip succeeded")
        until_answered(lambda: self._executions.end_run(task, state, reason, message), "end of run")

    def _write_reports(
        self,
        run_id: str,
        report: Path,
        rejects: Path,
        parameters: RunParameters,
        pack: StageRecord | None,
        list_file: Callable[[str, Artifact], None],
    ) -> None:
        """Write report.json and rejected.jsonl clip by clip, and copy what users look at: memory stays flat."""
        rejected: list[dict[str, Any]] = [
            rejected_row(subject, source, stage, why) for subject, source, stage, why in self._refused(run_id)
        ]
        with report.open("w", encoding="utf-8") as file, ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
            writer = ReportWriter(file, parameters)
            results = self._results(run_id)
            while batch := list(islice(results, BATCH)):
                shown = [clip for clip in batch if clip.rejected is None]
                for copies in pool.map(lambda clip: list(self._shown(run_id, clip, parameters.kinds)), shown):
                    for path, artifact in copies:
                        list_file(path, artifact)
                for clip in batch:
                    writer.clip(clip)
                    if clip.rejected:
                        rejected.append(rejected_row(clip.name, clip.source, *clip.rejected))
            writer.end(rejected, pack)
        rejects.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected))

    def _remove_stale(self, run_id: str, kept: set[str]) -> None:
        """Delete what an earlier end of the run left, such as a set that was packed anew."""
        sets = {key.rpartition("/")[0] for key in kept if "/pack/" in key}
        for key in self._store.list_keys(self._dataset_bucket, self._place(run_id, "")):
            if key not in kept and key.rpartition("/")[0] not in sets:
                self._store.remove_key(self._dataset_bucket, key)

    def files(self, run_id: str) -> list[tuple[str, Artifact]]:
        """Return every file of an ended run: its path and where it lies."""
        content = self._store.read(self._dataset_bucket, self._place(run_id, INDEX)) or b""
        rows = [json.loads(line) for line in content.splitlines()]
        return [(row["path"], ARTIFACT.validate_python(row["artifact"])) for row in rows]

    def _results(self, run_id: str) -> Iterator[ClipResult]:
        for source, row, executions in self._runs.results(run_id):
            outputs = {one["stage"]: OUTPUTS[one["stage"]].validate_json(one["outputs"]) for one in executions}
            records = {one["stage"]: RECORD.validate_json(one["record"]) for one in executions}
            provenance = (
                provenance_of(SourceProgress(source, outputs)) if FIRST in outputs else {"uri": source.original_name}
            )
            progress = ClipProgress(CLIP.validate_json(row["given"]), outputs)
            clip = ClipResult(row["name"], source, progress, provenance, records)
            if row["state"] != SUCCEEDED:
                clip.rejected = (row["stage"], _rejection(row))
            yield clip

    def _refused(self, run_id: str) -> Iterator[tuple[str, NamedSource, str, Rejection]]:
        """Yield sources that did not become clips, and candidates that split refused."""
        for source, row, split in self._runs.sources(run_id):
            if row["state"] in (FAILED, CANCELLED):
                yield source.name, source, row["stage"], _rejection(row)
            elif split is not None:
                for rejection in OUTPUTS[CLIPS_FROM].validate_json(split).rejections:
                    yield source.name, source, CLIPS_FROM, rejection

    def _shown(self, run_id: str, clip: ClipResult, kinds: Collection[Kind]) -> Iterator[tuple[str, Artifact]]:
        """Copy what users get of a clip: what they look at, and the files that the run is for, to export them."""
        preview = preview_of(clip.progress)
        shown = {f"audio/{clip.name}.wav": clip.progress.clip.audio}
        shown |= {} if preview is None else {f"preview/{clip.name}.jpg": preview}
        made = clip_artifacts(clip.progress).items()
        shown |= {f"{WORK_BUCKET}/{artifact.key}": artifact for kind, artifact in made if kind in kinds}
        for path, artifact in shown.items():
            yield path, self._store.copy(artifact, self._dataset_bucket, self._place(run_id, path))

    def _place(self, run_id: str, path: str) -> str:
        return f"runs/{run_id}/{path}"


def _rejection(row: Any) -> Rejection:
    return Rejection(row["reason"] or row["state"], row["message"] or "", row["measure"], row["threshold"])
