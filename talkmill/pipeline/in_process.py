"""Runs the pipeline in one process: sources and clips on a pool of threads."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.manifest import Rejection, StageRecord
from talkmill.artifacts.store import LostArtifactError
from talkmill.dataset.names import clip_name
from talkmill.pipeline.events import (
    ClipFinished,
    ClipsFound,
    Event,
    Note,
    Rejected,
    StageFinished,
    StageProgress,
    StageStarted,
)
from talkmill.pipeline.folders import WORK_BUCKET
from talkmill.pipeline.graph import (
    CLIPS_FROM,
    FIRST,
    ClipProgress,
    RunParameters,
    SourceProgress,
    nodes_of,
    provenance_of,
)
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.naming import NamedSource
from talkmill.pipeline.report import ClipResult, RunResult
from talkmill.stages.contract import Stage
from talkmill.stages.errors import CancelledError, InputMissingError, LostInputError, StageError
from talkmill.stages.execution import as_stage_error, execute, forget
from talkmill.stages.split.messages import SplitOutputs


class _SourceEnded(Exception):  # noqa: N818 - no error of its own: it carries one
    """A source gives no clips.

    Attributes:
        stage: The stage that ended without outputs.
        error: How.
    """

    def __init__(self, stage: str, error: StageError) -> None:
        super().__init__(str(error))
        self.stage, self.error = stage, error


class InProcessRunner:
    """Runs sources through the stages up to the last one of a clip."""

    def __init__(
        self,
        stages: dict[str, Stage[Any, Any]],
        store: LocalStore,
        scratch: Path,
        parameters: RunParameters,
        emit: Callable[[Event], None],
        cancelled: threading.Event,
        on_ready: Callable[[ClipResult], None],
        held: Mapping[str, Collection[Kind]] = MappingProxyType({}),
    ) -> None:
        """Create a runner.

        Args:
            stages: Stage name to stage.
            store: Where artifacts lie.
            scratch: Folder for temporary files.
            parameters: Of the run.
            emit: Called with every event, from several threads, one at a time.
            cancelled: Set to stop.
            on_ready: Called with each clip that is ready to be packed, from the thread that made it.
            held: Source name to kinds of files that the set has of its clips: they are made beside what is asked for.
        """
        self._held = held
        self._on_ready = on_ready
        self._stages, self._store, self._scratch, self._parameters = stages, store, scratch, parameters
        self._cancelled = cancelled
        self._emit_lock, self._heal_lock = threading.Lock(), threading.Lock()
        self._healed: set[tuple[str, Artifact]] = set()
        self._forgotten: set[Artifact] = set()
        self._sink = emit

    def run(self, sources: Sequence[NamedSource], jobs: int) -> RunResult:
        """Run every source; a source or clip that is rejected does not harm the others.

        Args:
            sources: What to run.
            jobs: Sources and clips at a time.

        Returns:
            What became of everything.

        Raises:
            CancelledError: The run was cancelled; finished stages are kept.
            StageError: Something that every clip would meet, such as a full disk.
        """
        clips: dict[int, list[ClipResult]] = {}
        result = RunResult()
        with ThreadPoolExecutor(jobs, thread_name_prefix="talkmill") as pool:
            waiting: dict[Future[Any], int] = {
                pool.submit(self._run_source, source, result): order for order, source in enumerate(sources)
            }
            try:
                while waiting:
                    # A time-out keeps the main thread able to take Ctrl-C.
                    finished, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                    for future in finished:
                        order = waiting.pop(future)
                        found = future.result()
                        if isinstance(found, list):
                            clips[order] = found
                            waiting.update({pool.submit(self.run_clip, clip): order for clip in found})
            except BaseException:
                self._cancelled.set()
                for future in waiting:
                    future.cancel()
                raise
        if self._cancelled.is_set():
            raise CancelledError("the run was cancelled")
        result.clips = [clip for order in sorted(clips) for clip in clips[order]]
        return result

    def run_stage(self, subject: str, stage: str, inputs: object) -> tuple[Any, StageRecord]:
        """Execute one stage and tell of it.

        Raises:
            StageError: It ended without outputs.
        """
        self._emit(StageStarted(subject, stage))
        execution = execute(
            self._stages[stage],
            inputs,
            self._store,
            WORK_BUCKET,
            self._scratch,
            report=lambda done, total, unit: self._emit(StageProgress(subject, stage, done, total, unit)),
            cancelled=self._cancelled.is_set,
        )
        self._emit(StageFinished(subject, stage, execution.manifest, execution.cached))
        for text in getattr(execution.outputs, "notes", ()):
            self._emit(Note(subject, stage, text))
        return execution.outputs, execution.record

    def heal(self, subject: str, stage: str, error: StageError) -> bool:
        """Forget what made an input that was lost, once for each subject that meets it.

        Args:
            subject: What is shown.
            stage: The stage that met the loss.
            error: How it ended.

        Returns:
            Whether another try makes the input anew.
        """
        artifact = error.artifact if isinstance(error, LostInputError) else None
        with self._heal_lock:
            if artifact is None or (subject, artifact) in self._healed:
                return False
            self._healed.add((subject, artifact))
            if artifact in self._forgotten:
                # Another clip of the same content met it first, and has it made again.
                return True
            self._forgotten.add(artifact)
            made_by = forget(self._store, artifact)
        self._emit(Note(subject, stage, f"a result of {made_by} was lost or damaged and is made again: {error}"))
        return True

    def run_clip(self, clip: ClipResult) -> None:
        """Run a clip through its stages; a clip that is rejected says so.

        Raises:
            CancelledError: The run was cancelled.
            StageError: Something that every clip would meet.
        """
        clip.rejected = None
        while (ended := self._try_clip(clip)) is not None:
            stage, error = ended
            if isinstance(error, CancelledError) or error.stops_run:
                raise error
            if self.heal(clip.name, stage, error):
                ended = self._begin_again(clip)
                if ended is None:
                    continue
                stage, error = ended
            clip.rejected = (stage, error.rejection())
            self._emit(Rejected(clip.name, stage, clip.rejected[1]))
            return
        self._emit(ClipFinished(clip.name, clip.progress.clip.frame_count))

    def _begin_again(self, clip: ClipResult) -> tuple[str, StageError] | None:
        """Take a clip from its source once more: what made it may have been forgotten. Returns how that failed."""
        records: dict[str, StageRecord] = {}
        try:
            outputs = self._source_outputs(clip.source, records)
        except _SourceEnded as ended:
            return ended.stage, ended.error
        found = next((one for one in outputs[CLIPS_FROM].clips if one.index == clip.progress.clip.index), None)
        if found is None:
            return CLIPS_FROM, InputMissingError("the source does not give this clip any more")
        clip.records.update(records)
        clip.progress = ClipProgress(found, outputs)
        return None

    def _source_outputs(self, source: NamedSource, records: dict[str, StageRecord]) -> dict[str, Any]:
        """Run a source through its stages; raises _SourceEnded where it gives nothing."""
        while True:
            progress = SourceProgress(source)
            stage = FIRST
            try:
                for node in nodes_of("source"):
                    stage = node.name
                    inputs = node.request(progress, self._parameters)
                    progress.outputs[stage], records[stage] = self.run_stage(source.shown_name, stage, inputs)
            except StageError as error:
                if isinstance(error, CancelledError) or error.stops_run:
                    raise
                if not self.heal(source.shown_name, stage, error):
                    raise _SourceEnded(stage, error) from error
            else:
                return progress.outputs

    def _run_source(self, source: NamedSource, result: RunResult) -> list[ClipResult]:
        records: dict[str, StageRecord] = {}
        result.source_records[source.name] = records
        try:
            outputs = self._source_outputs(source, records)
        except _SourceEnded as ended:
            self._refuse(result, source, ended.stage, ended.error.rejection())
            return []
        split: SplitOutputs = outputs[CLIPS_FROM]
        for rejection in split.rejections:
            self._refuse(result, source, CLIPS_FROM, rejection)
        found = [
            ClipResult(
                clip_name(source.name, clip.index, source.linked_person),
                source,
                ClipProgress(clip, dict(outputs)),
                provenance_of(SourceProgress(source, outputs)),
                dict(records),
            )
            for clip in split.clips
        ]
        seconds = sum(float(clip.frame_count / Fraction(clip.rate)) for clip in split.clips)
        self._emit(ClipsFound(source.shown_name, tuple(clip.name for clip in found), seconds))
        for clip in found:
            for text in clip.progress.clip.notes:
                self._emit(Note(clip.name, CLIPS_FROM, text))
        return found

    def _try_clip(self, clip: ClipResult) -> tuple[str, StageError] | None:
        """Run the stages of a clip; returns the stage that ended without outputs, and how."""
        stage = ""
        try:
            for node in nodes_of("clip", self._kinds_of(clip.source)):
                stage = node.name
                inputs = node.request(clip.progress, self._parameters)
                clip.progress.outputs[stage], clip.records[stage] = self.run_stage(clip.name, stage, inputs)
            self._on_ready(clip)
        except StageError as error:
            return stage, error
        except (LostArtifactError, OSError) as error:
            return stage, as_stage_error(error, stage)
        return None

    def _kinds_of(self, source: NamedSource) -> frozenset[Kind]:
        """Return the kinds of files that are made of a source's clips; none for all."""
        return frozenset({*self._parameters.kinds, *self._held.get(source.name, ())} if self._parameters.kinds else ())

    def _refuse(self, result: RunResult, source: NamedSource, stage: str, rejection: Rejection) -> None:
        result.refused.append((source, stage, rejection))
        self._emit(Rejected(source.shown_name, stage, rejection))

    def _emit(self, event: Event) -> None:
        with self._emit_lock:
            self._sink(event)
