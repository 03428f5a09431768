"""A stage whose installation is broken says so to its caller, without the folders of its machine."""

import asyncio
import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from services.executions import ExecutionPool
from services.servicer import StageServicer
from talkmill.artifacts.local import LocalStore
from talkmill.serving.server import start_server
from talkmill.serving.settings import ServerSettings
from talkmill.stages.landmarks.messages import LandmarksInputs
from talkmill.wire.messages import fill_message
from talkmill.wire.methods import stage_methods
from talkmill.wire.status import error_info

FOLDER = "/srv/secret-folder/models"
METHOD = stage_methods()["landmarks"]


class Broken:
    """A stage that fails on its machine's account."""

    name, version, models, execution_provider, arithmetic, keeps_result = "landmarks", "0", (), "", "", True
    outputs_type = METHOD.outputs

    def __init__(self, load: Exception | None = None, run: Exception | None = None) -> None:
        self._errors = load, run

    def load(self) -> None:
        if self._errors[0]:
            raise self._errors[0]

    def run(self, inputs: Any, context: Any) -> Any:
        raise self._errors[1] or AssertionError("not reached")


def answer(stage: Broken, folder: Path) -> error_details_pb2.ErrorInfo:
    """Call a server of the stage with an input that is there."""
    store = LocalStore({"work": folder / "work"})
    (folder / "in.bin").write_bytes(b"ab")
    file = store.put(folder / "in.bin", "work", "crop/1/in.bin", "x/y")
    request: Any = METHOD.request()
    request.context.request_id = "1"
    fill_message(LandmarksInputs(file, file, "25"), request)

    def add(server: Any) -> list[str]:
        pool = ExecutionPool(1, 1)
        servicer = StageServicer(METHOD, lambda inputs: stage, store, {"work": "work"}, folder, pool)
        server.add_generic_rpc_handlers((servicer.handler(),))
        return [METHOD.service]

    return call(add, request)


def call(add: Callable[[Any], list[str]], request: Any) -> error_details_pb2.ErrorInfo:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    settings = ServerSettings(listen={"port": 0, "metrics_port": 0})
    running = asyncio.run_coroutine_threadsafe(start_server(settings, add), loop).result(30)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel, pytest.raises(grpc.RpcError) as caught:
            stream = channel.unary_stream(
                METHOD.path,
                request_serializer=METHOD.request.SerializeToString,
                response_deserializer=METHOD.response.FromString,
            )
            list(stream(request, timeout=20))
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(0), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
    info = error_info(caught.value)
    assert info is not None
    assert "secret-folder" not in str(caught.value)
    return info


def missing() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "No such file or directory", f"{FOLDER}/net.onnx")


@pytest.mark.parametrize(
    ("stage", "reason", "told"),
    [
        (Broken(load=missing()), "MODEL_UNAVAILABLE", "net.onnx"),
        (Broken(load=ImportError(f"{FOLDER}/libx.so: no such file")), "MODEL_UNAVAILABLE", "libx.so"),
        (Broken(run=missing()), "INTERNAL", "net.onnx is missing"),
        (Broken(run=ImportError(f"cannot import name 'x' ({FOLDER}/y.py)")), "INTERNAL", "y.py"),
        (Broken(run=OSError(errno.ENOSPC, "full", f"{FOLDER}/out.bin")), "STORAGE_FULL", "no space left for out.bin"),
        (Broken(run=PermissionError(errno.EACCES, "no", f"{FOLDER}/out.bin")), "NOT_WRITABLE", "out.bin"),
    ],
)
def test_what_is_broken_is_told_by_its_name(stage: Broken, reason: str, told: str, tmp_path: Path) -> None:
    info = answer(stage, tmp_path)
    assert info.reason == reason
    assert told in info.metadata["detail"]
    assert "secret-folder" not in str(info)
