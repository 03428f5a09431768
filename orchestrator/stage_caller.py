"""Calls of the stages' services: one stream an execution, watched, and told apart by how it ended."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import structlog

from orchestrator.tls import ClientTls
from talkmill.api.common.v1.common_pb2 import ExecutionContext
from talkmill.artifacts.manifest import StageRecord
from talkmill.stages.errors import InternalError, ServiceFullError, StageError
from talkmill.telemetry import traces
from talkmill.wire.messages import fill_message, from_message
from talkmill.wire.methods import StageMethod
from talkmill.wire.status import error_info, stage_error
from talkmill.wire.summary import record_of

log = structlog.get_logger()

SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "readiness"}}
)
CHANNEL_OPTIONS = [
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A service that comes back is found within seconds.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]


@dataclass(frozen=True, slots=True)
class Finished:
    """The stage gave outputs."""

    outputs: Any
    record: StageRecord


@dataclass(frozen=True, slots=True)
class Failed:
    """The stage said why it gave none."""

    error: StageError


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was begun: no replica is there, or every slot is taken."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The work was begun, and its worker died or fell silent."""

    why: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The call was ended from here."""


Outcome = Finished | Failed | Refused | Lost | Stopped
Metadata = list[tuple[str, str]]


class StageCaller:
    """Calls stages from any thread; the streams live on one event loop of its own."""

    def __init__(
        self,
        methods: Mapping[str, StageMethod],
        targets: Mapping[str, str],
        tls: ClientTls,
        idle_seconds: float,
    ) -> None:
        """Create the caller; nothing is connected yet.

        Args:
            methods: Stage to its method.
            targets: Stage to a gRPC target such as `dns:///matting:50051`.
            tls: Certificates; read once.
            idle_seconds: A stream that says nothing for so long is lost.

        Raises:
            CertificateError: A file of TLS cannot be used.
        """
        self._methods, self._targets, self._idle_seconds = methods, targets, idle_seconds
        self._credentials = tls.credentials()
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._calls: dict[str, set[asyncio.Task[Outcome]]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="stage-calls", daemon=True).start()

    def call(self, run_id: str, stage: str, inputs: Any, context: ExecutionContext) -> Outcome:
        """Call a stage and wait for its end.

        Args:
            run_id: The run that the call is for; `stop` ends its calls.
            stage: Name of the stage.
            inputs: Its request.
            context: How it is to be executed.
        """
        # Read here: the span is this thread's.
        metadata = list(traces.headers().items())
        call = self._call(run_id, stage, inputs, context, metadata)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def stop(self, run_id: str) -> None:
        """End every call of a run."""

        def end() -> None:
            for call in self._calls.get(run_id, ()):
                call.cancel()

        self._loop.call_soon_threadsafe(end)

    def run_ids(self) -> list[str]:
        """Return the runs that calls go on for."""
        return list(self._calls)

    async def _call(
        self, run_id: str, stage: str, inputs: Any, context: ExecutionContext, metadata: Metadata
    ) -> Outcome:
        task = asyncio.ensure_future(self._stream(self._methods[stage], inputs, context, metadata))
        calls = self._calls.setdefault(run_id, set())
        calls.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            return Stopped()
        finally:
            calls.discard(task)
            if not calls:
                self._calls.pop(run_id, None)

    async def _stream(self, method: StageMethod, inputs: Any, context: ExecutionContext, metadata: Metadata) -> Outcome:
        request: Any = method.request()
        request.context.CopyFrom(context)
        fill_message(inputs, request)
        call = self._channel(method.stage).unary_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )(request, metadata=metadata)
        begun = False
        try:
            while True:
                response: Any = await asyncio.wait_for(call.read(), self._idle_seconds)
                if response is grpc.aio.EOF:  # type: ignore[attr-defined]
                    return Lost("the stream ended without outputs")
                begun = True
                if response.WhichOneof("event") == "outputs":
                    outputs = from_message(response.outputs, method.outputs)
                    return Finished(outputs, record_of(response.summary))
        except TimeoutError:
            why = f"nothing was heard for {self._idle_seconds:g} s"
            return Lost(why) if begun else Refused(why)
        except grpc.aio.AioRpcError as error:
            return _ended(error, begun)
        except StageError as error:
            return Failed(InternalError(f"{method.stage} answered what cannot be read: {error}"))
        finally:
            call.cancel()

    def _channel(self, stage: str) -> grpc.aio.Channel:
        if stage not in self._channels:
            credentials, target = self._credentials, self._targets[stage]
            self._channels[stage] = (
                grpc.aio.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
                if credentials
                else grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
            )
        return self._channels[stage]


def _ended(error: grpc.aio.AioRpcError, begun: bool) -> Outcome:
    info = error_info(error)
    if info is not None:
        told = stage_error(info)
        return Refused(str(told)) if isinstance(told, ServiceFullError) else Failed(told)
    why = f"{error.code().name}: {(error.details() or '')[:300]}"
    if begun:
        return Lost(why)
    # Before the first event the transport's failures are those of a replica that is not there.
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED):
        return Refused(why)
    return Failed(InternalError(f"the service cannot be called: {why}"))


CallStage = Callable[[str, str, Any, ExecutionContext], Outcome]
