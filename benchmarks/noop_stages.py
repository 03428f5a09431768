"""Every stage in one server that does nothing: what is left is the orchestrator's own cost.

`python -m benchmarks.noop_stages`, configured as any other server.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from services.settings import StageServerSettings
from talkmill.api.common.v1.common_pb2 import Progress
from talkmill.artifacts.artifact import Artifact
from talkmill.region import Region
from talkmill.serving.server import start_server, wait_for_signal
from talkmill.serving.settings import read_settings
from talkmill.serving.stores import open_store
from talkmill.stages.coarse_fit.messages import CoarseFitOutputs
from talkmill.stages.crop.messages import CropOutputs
from talkmill.stages.download.messages import DownloadOutputs
from talkmill.stages.fine_fit.messages import FineFitOutputs
from talkmill.stages.landmarks.messages import LandmarksOutputs
from talkmill.stages.matting.messages import MattingOutputs
from talkmill.stages.pack.messages import PackOutputs
from talkmill.stages.split.messages import CutClip, SplitOutputs
from talkmill.telemetry.logs import configure_server_logs
from talkmill.wire.messages import fill_message
from talkmill.wire.methods import StageMethod, stage_methods

CONTENT = b"nothing"
# A source with this in its address never ends.
SLOW = "/slow/"


def outputs_of(artifact: Artifact) -> dict[str, Any]:
    """Return what every stage answers: one object that is there, whatever was asked."""
    clip = CutClip(0, artifact, artifact, artifact, artifact, 25, "25", 64, 64, 0.0)
    return {
        "download": DownloadOutputs(artifact, {"uri": "nothing"}),
        "split": SplitOutputs((clip,)),
        "matting": MattingOutputs(artifact, Region(0, 0, 64, 64)),
        "crop": CropOutputs(artifact, artifact),
        "landmarks": LandmarksOutputs(artifact),
        "coarse_fit": CoarseFitOutputs(artifact),
        "fine_fit": FineFitOutputs(artifact, artifact, {"basis": "none"}),
        "pack": PackOutputs(artifact, artifact),
    }


def noop_handler(method: StageMethod, outputs: Any) -> Any:
    """Return a handler that answers at once."""
    answer: Any = method.response()
    answer.outputs.SetInParent()
    fill_message(outputs, answer.outputs)
    answer.summary.start_time.GetCurrentTime()
    answer.summary.stage_version = "0"
    begun: Any = method.response()
    begun.progress.state = Progress.STATE_PREPARING

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        yield begun
        while SLOW in str(request):
            await asyncio.sleep(1)
            yield begun
        yield answer

    handler: Callable[..., Any] = grpc.unary_stream_rpc_method_handler
    return grpc.method_handlers_generic_handler(
        method.service,
        {
            method.method: handler(
                stream,
                request_deserializer=method.request.FromString,
                response_serializer=method.response.SerializeToString,
            )
        },
    )


async def _serve(settings: StageServerSettings) -> None:
    store = open_store(settings.store, "noop")
    bucket, key = settings.store.work_bucket, "noop/nothing"
    store.ensure_bucket(bucket, {})
    store.write(bucket, key, CONTENT)
    artifact = Artifact(bucket, key, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "application/octet-stream")
    outputs = outputs_of(artifact)

    def add(server: grpc.aio.Server) -> list[str]:
        methods = stage_methods()
        server.add_generic_rpc_handlers(tuple(noop_handler(one, outputs[name]) for name, one in methods.items()))
        return [one.service for one in methods.values()]

    running = await start_server(settings, add)
    await running.health.ready()
    await wait_for_signal()
    await running.stop(1.0)


if __name__ == "__main__":
    configure_server_logs("info")
    asyncio.run(_serve(read_settings(StageServerSettings)))
