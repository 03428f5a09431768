"""One stage as a gRPC method: check the request, join or start the work, tell of it, end with outputs or an error."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.message import Message

from services.executions import ExecutionPool, Report, Work
from talkmill.api.common.v1.common_pb2 import ExecutionContext, Progress
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.store import Store
from talkmill.stages.contract import Stage
from talkmill.stages.errors import InternalError, InvalidRequestError, StageError
from talkmill.stages.execution import Execution, execute
from talkmill.telemetry import metrics, traces
from talkmill.text import without_folders
from talkmill.wire.executions import about_execution
from talkmill.wire.messages import check_context, fill_message, from_message
from talkmill.wire.methods import StageMethod
from talkmill.wire.status import trailing_status
from talkmill.wire.summary import fill_summary

# A quiet stage is heard of this often; a client that hears nothing for longer has lost it.
HEARTBEAT_SECONDS = 10.0
# Progress is sent no oftener.
PROGRESS_SECONDS = 1.0

log = structlog.get_logger()


class StageServicer:
    """Serves one stage."""

    def __init__(
        self,
        method: StageMethod,
        stage_for: Callable[[Any], Stage[Any, Any]],
        store: Store,
        buckets: Mapping[str, str],
        scratch: Path,
        executions: ExecutionPool,
    ) -> None:
        """Create the servicer.

        Args:
            method: What is served.
            stage_for: The stage that does a request; raises StageError where none can.
            store: Where artifacts lie.
            buckets: Bucket names by use; `work` takes outputs where the request names no bucket.
            scratch: Folder for temporary files.
            executions: Of this process.
        """
        self._method, self._stage_for, self._store = method, stage_for, store
        self._buckets, self._scratch, self._executions = buckets, scratch, executions

    def handler(self) -> Any:
        """Return what a server takes."""
        method = self._method
        handler = grpc.unary_stream_rpc_method_handler(
            self.stream,
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(method.service, {method.method: handler})

    async def stream(self, request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> AsyncIterator[Message]:
        """Serve one call."""
        try:
            inputs, stage = self._check(request)
            asked = (inputs, request.context.output_bucket, request.context.output_key_prefix)
            work = self._executions.join_or_start(
                request.context.request_id,
                asked,
                self._runner(stage, inputs, request.context, traces.arrived(context.invocation_metadata() or ())),
            )
        except StageError as error:
            await self._abort(context, error)
        except Exception as error:
            log.error("a request could not be looked at", stage=self._method.stage, exc_info=error)
            await self._abort(context, InternalError(f"unexpected {type(error).__name__}"))
        self._executions.watch(work)
        try:
            async for progress in _progress(work):
                response = self._method.response()
                response.progress.CopyFrom(progress)  # type: ignore[attr-defined]
                yield response
            yield self._finished(work.result.result())
        except StageError as error:
            await self._abort(context, error)
        finally:
            self._executions.leave(work)

    def _check(self, request: Any) -> tuple[Any, Stage[Any, Any]]:
        check_context(request.context)
        inputs = from_message(request, self._method.inputs)
        bucket = request.context.output_bucket
        if bucket and bucket not in self._buckets.values():
            raise InvalidRequestError(
                f"context.output_bucket: {bucket!r} is not a bucket of this service", field="context.output_bucket"
            )
        for name, artifact in _artifact_fields(inputs):
            if artifact.bucket not in self._buckets.values():
                raise InvalidRequestError(
                    f"{name}.bucket: {artifact.bucket!r} is not a bucket of this service", field=f"{name}.bucket"
                )
        return inputs, self._stage_for(inputs)

    def _runner(
        self, stage: Stage[Any, Any], inputs: Any, context: ExecutionContext, caller: Any
    ) -> Callable[..., Any]:
        name, request_id = context.name, context.request_id
        bucket, prefix = context.output_bucket or self._buckets["work"], context.output_key_prefix
        skip = context.skip_cache_lookup

        def execution(report: Report, cancelled: Callable[[], bool]) -> Execution[Any]:
            bound = log.bind(stage=stage.name, name=name, request_id=request_id)
            began = time.perf_counter()
            with metrics.in_progress(stage.name):
                try:
                    result = execute(
                        stage, inputs, self._store, bucket, self._scratch, report, cancelled, prefix, skip,
                        lambda frames, seconds: metrics.count_video(stage.name, frames, seconds),
                    )  # fmt: skip
                except StageError as error:
                    metrics.count_execution(stage.name, error.reason)
                    bound.warning("execution ended without outputs", reason=error.reason, error=str(error))
                    raise
                except Exception as error:
                    metrics.count_execution(stage.name, "INTERNAL")
                    bound.error("unexpected error", exc_info=error)
                    raise InternalError(f"unexpected {type(error).__name__} in {stage.name}") from error
            manifest = result.manifest
            traces.note(cached=result.cached)
            metrics.count_execution(stage.name, "CACHED" if result.cached else "OK")
            if not result.cached:
                metrics.observe_phases(
                    stage.name, manifest.fetch_seconds, manifest.execute_seconds, manifest.upload_seconds
                )
            bound.info("execution ended", cached=result.cached, seconds=round(time.perf_counter() - began, 3))
            return result

        def run(report: Report, cancelled: Callable[[], bool]) -> Execution[Any]:
            about = {**about_execution(stage.name, name), "request": request_id}
            with traces.span(f"stage {stage.name}", caller, "server", **about):
                return execution(report, cancelled)

        return run

    def _finished(self, execution: Execution[Any]) -> Message:
        response: Any = self._method.response()
        # Outputs without a field set are outputs all the same.
        response.outputs.SetInParent()
        fill_message(execution.outputs, response.outputs)
        fill_summary(execution.record, response.summary)
        return response  # type: ignore[no-any-return]

    async def _abort(self, context: "grpc.aio.ServicerContext[Any, Any]", error: StageError) -> NoReturn:
        # The log has the whole path.
        error.args = (without_folders(str(error)),)
        await context.abort(*trailing_status(error, self._method.stage))


async def _progress(work: Work) -> AsyncIterator[Progress]:
    """Yield progress until the work has ended; the first at once."""
    yield Progress(state=Progress.STATE_PREPARING)
    sent, heard = work.progress, time.monotonic()
    while not work.result.done():
        await asyncio.wait([work.result], timeout=PROGRESS_SECONDS)
        if work.result.done():
            return
        if work.progress != sent or time.monotonic() - heard >= HEARTBEAT_SECONDS:
            sent, heard = work.progress, time.monotonic()
            done, total, unit = sent or (0, 0, "")
            state = Progress.STATE_RUNNING if sent else Progress.STATE_PREPARING
            yield Progress(state=state, completed_count=done, total_count=total, unit=unit)


def _artifact_fields(inputs: Any) -> list[tuple[str, Any]]:
    return [
        (name, getattr(inputs, name))
        for name in inputs.__dataclass_fields__
        if isinstance(getattr(inputs, name), Artifact)
    ]
