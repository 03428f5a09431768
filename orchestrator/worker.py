"""Handles one task: reads its inputs, calls the stage, writes the outcome."""

import random
import time
from collections.abc import Callable
from typing import Any

import structlog

from orchestrator.engine import FINISH, INTAKE, Task
from orchestrator.finish import Finisher
from orchestrator.intake import Intake
from orchestrator.leases import LeaseLostError
from orchestrator.ledger.database import until_answered
from orchestrator.ledger.executions import Ending, Executions, Opening
from orchestrator.ledger.tables import SUCCEEDED
from orchestrator.ledger.values import OUTPUTS
from orchestrator.stage_caller import CallStage, Failed, Finished, Lost, Outcome, Refused, Stopped
from talkmill.api.common.v1.common_pb2 import ExecutionContext
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import Rejection
from talkmill.pipeline.graph import PACK, ClipProgress, RunProgress, SourceProgress, node_of
from talkmill.stages.errors import (
    CancelledError,
    CorruptInputError,
    InternalError,
    LostInputError,
    StageError,
    WorkerLostError,
)
from talkmill.telemetry import metrics, traces
from talkmill.wire.executions import about_execution, execution_name

log = structlog.get_logger()

# A worker that dies with the same clip for the fourth time is killed by the clip.
MAX_LOSSES = 4
# An execution whose error may pass is tried so often in all; waits of 2, 4, 8... seconds lie between.
MAX_ATTEMPTS = 6
LONGEST_WAIT_SECONDS = 120.0
# A refused call is tried again here for a while, then gives its place in the queue to others.
REFUSED_HERE_SECONDS = 20.0
REFUSED_PAUSE_SECONDS = 5.0


class Worker:
    """Handles tasks, on many threads."""

    def __init__(
        self,
        executions: Executions,
        call: CallStage,
        intake: Intake,
        finisher: Finisher,
        dataset_bucket: str,
        lease_lost: Callable[[], None],
    ) -> None:
        """Create the worker.

        Args:
            executions: The ledger's transactions.
            call: Calls a stage.
            intake: Takes sources in.
            finisher: Gives the data set its place.
            dataset_bucket: Where pack writes.
            lease_lost: Ends the process.
        """
        self._executions, self._call = executions, call
        self._intake, self._finisher, self._dataset_bucket = intake, finisher, dataset_bucket
        self._lease_lost = lease_lost

    def handle(self, task: Task) -> None:
        """Handle a task; never raises."""
        try:
            opening = until_answered(lambda: self._executions.begin(task), "begin")
            if opening is not None:
                about = about_execution(task.stage, execution_name(task.run_id, task.subject))
                run = traces.arrived(opening.trace_context.items())
                with traces.span(f"task {task.stage}", run, "consumer", **about, attempt=task.attempt):
                    self._handle(task, opening)
        except LeaseLostError:
            self._lease_lost()
        except Exception as error:
            log.error("a task could not be handled", task=task.id, exc_info=error)
            self._fail(task, InternalError(f"unexpected {type(error).__name__} in the orchestrator"))

    def _handle(self, task: Task, opening: Opening) -> None:
        try:
            if task.stage in (INTAKE, FINISH) and opening.losses >= MAX_LOSSES:
                raise WorkerLostError(f"the orchestrator was lost {MAX_LOSSES} times in the {task.stage} of the run")
            if task.stage == INTAKE:
                self._intake.run(task)
            elif task.stage == FINISH:
                self._finisher.run(task)
            else:
                self._execute(task, opening)
        except StageError as error:
            self._after_error(task, opening, error)

    def _execute(self, task: Task, opening: Opening) -> None:
        inputs = self._inputs(task, opening)
        pack = task.stage == PACK
        context = ExecutionContext(
            name=execution_name(task.run_id, task.subject),
            request_id=task.id,
            output_bucket=self._dataset_bucket if pack else "",
            output_key_prefix=f"runs/{task.run_id}/" if pack else "",
            skip_cache_lookup=opening.skip_cache,
        )
        outcome = self._until_taken(task, inputs, context)
        match outcome:
            case Finished(outputs, record):
                text = OUTPUTS[task.stage].dump_json(outputs).decode()
                ending = until_answered(lambda: self._executions.succeed(task, outputs, text, record), "succeed")
                self._count(ending)
            case Failed(error):
                self._after_error(task, opening, error)
            case Lost(why):
                traces.failed("LOST", why)
                log.warning("a worker was lost", task=task.id, why=why, losses=opening.losses + 1)
                if opening.losses + 1 >= MAX_LOSSES:
                    self._fail(task, WorkerLostError(f"the worker was lost {MAX_LOSSES} times; the last time: {why}"))
                else:
                    self._again(task, opening, 1.0, lost=True)
            case Refused(why):
                traces.failed("REFUSED", why)
                self._again(task, opening, REFUSED_PAUSE_SECONDS)
            case Stopped():
                traces.failed("CANCELLED", "the run was cancelled")
                log.info("stopped", task=task.id)

    def _until_taken(self, task: Task, inputs: Any, context: ExecutionContext) -> Outcome:
        """Call until a replica takes the work, for a while, with waits that grow and differ."""
        deadline, wait, refused = time.monotonic() + REFUSED_HERE_SECONDS, 0.05, 0
        while True:
            outcome = self._call(task.run_id, task.stage, inputs, context)
            if not isinstance(outcome, Refused) or time.monotonic() > deadline:
                traces.note(refused_calls=refused)
                return outcome
            refused += 1
            time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, hides nothing
            wait = min(2.0, wait * 1.6)

    def _inputs(self, task: Task, opening: Opening) -> Any:
        node = node_of(task.stage)
        outputs = {stage: OUTPUTS[stage].validate_json(text) for stage, text in opening.outputs.items()}
        progress: SourceProgress | ClipProgress | RunProgress
        match node.scope:
            case "source":
                assert opening.source is not None  # noqa: S101 - the ledger gives it to these stages
                progress = SourceProgress(opening.source, outputs)
            case "clip":
                assert opening.clip is not None  # noqa: S101 - the ledger gives it to these stages
                progress = ClipProgress(opening.clip, outputs)
            case "run":
                progress = RunProgress(self._finisher.clip_list(task.run_id))
        return node.request(progress, opening.parameters)

    def _after_error(self, task: Task, opening: Opening, error: StageError) -> None:
        traces.failed(error.reason, str(error))
        upload = None if opening.source is None else opening.source.upload
        if isinstance(error, LostInputError) and error.artifact is not None and error.artifact != upload:
            self._after_loss(task, opening, error, error.artifact)
            return
        retryable = error.retryable
        if isinstance(error, CorruptInputError) and upload is not None:
            # It may have been read wrong: what the store holds is looked at before anything is believed.
            retryable = self._intake.holds(upload)
        if isinstance(error, CancelledError):
            # A draining worker gave the work back: nothing was wrong with it.
            self._again(task, opening, 1.0)
        elif retryable and opening.retries + 1 < MAX_ATTEMPTS:
            wait = min(LONGEST_WAIT_SECONDS, 2.0 ** (opening.retries + 1))
            log.warning("trying again", task=task.id, reason=error.reason, error=str(error), seconds=wait)
            self._again(task, opening, wait, retried=True)
        else:
            self._fail(task, error)

    def _after_loss(self, task: Task, opening: Opening, error: LostInputError, artifact: Artifact) -> None:
        """Forget what cannot be read, so that a retry makes it anew; the other clips of the run go on."""
        stage = self._finisher.forget(artifact)
        log.warning("an artifact cannot be read", task=task.id, reason=error.reason, made_by=stage, error=str(error))
        names = self._finisher.clips_of(task.run_id, artifact) if task.stage == PACK else []
        rejection = error.rejection()
        if not names:
            self._ended(task, lambda: self._executions.fail(task, rejection, stage))
        else:
            self._ended(task, lambda: self._executions.leave_out(task, names, rejection, stage, opening.priority))

    def _again(self, task: Task, opening: Opening, delay: float, lost: bool = False, retried: bool = False) -> None:
        until_answered(lambda: self._executions.again(task, delay, opening.priority, lost, retried), "again")

    def _fail(self, task: Task, error: StageError) -> None:
        rejection: Rejection = error.rejection()
        traces.failed(error.reason, str(error))
        log.warning("ended without outputs", task=task.id, reason=error.reason, error=str(error))
        self._ended(task, lambda: self._executions.fail(task, rejection))

    def _ended(self, task: Task, end: Callable[[], Ending]) -> None:
        try:
            self._count(until_answered(end, "fail"))
        except LeaseLostError:
            self._lease_lost()

    def _count(self, ending: Ending) -> None:
        for state in ending.clips:
            metrics.CLIPS_FINISHED.labels("succeeded" if state == SUCCEEDED else "failed").inc()
        if ending.dead_letter:
            metrics.DEAD_LETTERS.labels(*ending.dead_letter).inc()
