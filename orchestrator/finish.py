"""The end of a run: what pack is told, and the files that users fetch, in a place that does not expire."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from orchestrator.engine import Task
from orchestrator.ledger.database import until_answered
from orchestrator.ledger.executions import Executions
from orchestrator.ledger.runs import Runs, clip_from, record_from
from orchestrator.ledger.tables import CANCELLED, FAILED, SUCCEEDED
from orchestrator.naming import NamedSource
from orchestrator.pipeline import ClipProgress
from orchestrator.report import ClipResult, RunResult, StageRecord, packed_clip, rejected_row, run_report
from services.pack.messages import PackOutputs, encode_clips
from services.split.messages import SplitOutputs
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import Rejection
from talkmill.artifacts.s3 import S3Store
from talkmill.serving.method import StageMethod

_ARTIFACT = TypeAdapter(Artifact)
_SPLIT = TypeAdapter(SplitOutputs)
_PACK = TypeAdapter(PackOutputs)
COPIES_AT_ONCE = 8
# Lists every file of a run, one line each: path and artifact.
INDEX = "files.jsonl"


class Finisher:
    """Writes lists, reports and copies into the store; the ledger decides when."""

    def __init__(
        self,
        runs: Runs,
        executions: Executions,
        store: S3Store,
        methods: dict[str, StageMethod],
        work_bucket: str,
        dataset_bucket: str,
    ) -> None:
        self._runs, self._executions, self._store = runs, executions, store
        self._work_bucket, self._dataset_bucket = work_bucket, dataset_bucket
        self._outputs = {stage: TypeAdapter(method.outputs) for stage, method in methods.items()}

    def clip_list(self, run_id: str) -> Artifact:
        """Write what pack reads of the clips that succeeded; the same clips give the same object."""
        clips = (packed_clip(clip) for clip in self._results(run_id) if clip.rejected is None)
        content = b"".join(encode_clips([clip]) for clip in clips)
        digest = hashlib.sha256(content).hexdigest()
        return self._write(self._work_bucket, f"pack/lists/{digest}.jsonl", content, "application/jsonl")

    def run(self, task: Task) -> None:
        """Give a run's files their place, and end the run."""
        run_id = task.run_id
        view = until_answered(lambda: self._runs.get(run_id), "run")
        result = RunResult(list(self._results(run_id)), list(self._refused(run_id)))
        pack = self._runs.execution(run_id, "pack")
        record: StageRecord | None = None
        files: list[tuple[str, Artifact]] = []
        size = view.parameters.crop.size
        if pack is not None and pack["state"] == SUCCEEDED:
            record, packed = record_from(pack["record"]), _PACK.validate_json(pack["outputs"])
            files.append((f"lmdb/{size}/data.mdb", packed.database))
            files += [(f"lmdb/{one.key.rpartition('/')[2]}", one) for one in packed.lists]
        with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
            ready = [clip for clip in result.clips if clip.rejected is None]
            for copied in pool.map(lambda clip: list(self._shown(run_id, clip)), ready):
                files += copied
        rows = "".join(
            json.dumps(row, ensure_ascii=False) + "\n"
            for row in (
                [rejected_row(subject, source, stage, why) for subject, source, stage, why in result.refused]
                + [rejected_row(clip.name, clip.source, *clip.rejected) for clip in result.clips if clip.rejected]
            )
        )
        report = json.dumps(run_report(result, view.parameters, record), indent=1, ensure_ascii=False) + "\n"
        for path, content, kind in (
            ("rejected.jsonl", rows.encode(), "application/jsonl"),
            ("report.json", report.encode(), "application/json"),
        ):
            files.append((path, self._write(self._dataset_bucket, self._place(run_id, path), content, kind)))
        index = "".join(json.dumps({"path": path, "artifact": asdict(artifact)}) + "\n" for path, artifact in files)
        self._write(self._dataset_bucket, self._place(run_id, INDEX), index.encode(), "application/jsonl")
        state, reason, message = (SUCCEEDED, None, None) if record else (FAILED, "NO_CLIP", "not one clip succeeded")
        until_answered(lambda: self._executions.end_run(task, state, reason, message), "end of run")

    def files(self, run_id: str) -> list[tuple[str, Artifact]]:
        """Return every file of an ended run: its path and where it lies."""
        content = self._store.read(self._dataset_bucket, self._place(run_id, INDEX)) or b""
        rows = [json.loads(line) for line in content.splitlines()]
        return [(row["path"], _ARTIFACT.validate_python(row["artifact"])) for row in rows]

    def _results(self, run_id: str) -> Iterator[ClipResult]:
        for source, row, executions in self._runs.results(run_id):
            outputs = {one["stage"]: self._outputs[one["stage"]].validate_json(one["outputs"]) for one in executions}
            records = {one["stage"]: record_from(one["record"]) for one in executions}
            provenance = outputs["download"].provenance if "download" in outputs else {"uri": source.uri}
            clip = ClipResult(row["name"], source, ClipProgress(clip_from(row["given"]), outputs), provenance, records)
            if row["state"] != SUCCEEDED:
                clip.rejected = (row["stage"], _rejection(row))
            yield clip

    def _refused(self, run_id: str) -> Iterator[tuple[str, NamedSource, str, Rejection]]:
        """Yield sources that did not become clips, and candidates that split refused."""
        for source, row, split in self._runs.sources(run_id):
            if row["state"] in (FAILED, CANCELLED):
                yield source.name, source, row["stage"], _rejection(row)
            elif split is not None:
                for rejection in _SPLIT.validate_json(split).rejections:
                    yield source.name, source, "split", rejection

    def _shown(self, run_id: str, clip: ClipResult) -> Iterator[tuple[str, Artifact]]:
        for path, artifact in (
            (f"audio/{clip.name}.wav", clip.progress.clip.audio),
            (f"preview/{clip.name}.jpg", clip.progress.outputs["fine_fit"].preview),
        ):
            yield path, self._store.copy(artifact, self._dataset_bucket, self._place(run_id, path))

    def _place(self, run_id: str, path: str) -> str:
        return f"runs/{run_id}/{path}"

    def _write(self, bucket: str, key: str, content: bytes, media_type: str) -> Artifact:
        self._store.write(bucket, key, content)
        return Artifact(bucket, key, hashlib.sha256(content).hexdigest(), len(content), media_type)


def _rejection(row: Any) -> Rejection:
    return Rejection(row["reason"] or row["state"], row["message"] or "", row["measure"], row["threshold"])
