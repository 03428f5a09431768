"""One process that serves one stage, from settings to the last drained execution."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import structlog

from services.executions import ExecutionPool
from services.process import Built
from services.servicer import StageServicer
from services.settings import StageServerSettings
from talkmill.artifacts.store import StoreUnavailableError
from talkmill.inference import observer
from talkmill.inference.errors import ProviderUnavailableError
from talkmill.serving.server import print_settings, start_server, wait_for_signal
from talkmill.serving.settings import StoreSettings
from talkmill.serving.stores import open_store
from talkmill.stages.errors import StageError, error_kinds
from talkmill.stages.execution import ensure_loaded
from talkmill.telemetry import metrics, traces
from talkmill.telemetry.logs import configure_server_logs
from talkmill.telemetry.traces import TracesError
from talkmill.wire.methods import StageMethod

log = structlog.get_logger()

REFUSED_SECONDS = 2.0


def serve_stage(
    method: StageMethod,
    settings: StageServerSettings,
    build: Callable[[], Built],
) -> int:
    """Serve a stage until SIGTERM or SIGINT.

    Args:
        method: What is served.
        settings: Of this process.
        build: Gives the stage of a request, and the stages to load before the server is ready.

    Returns:
        Exit code.
    """
    configure_server_logs(settings.log_level)
    print_settings(settings)
    try:
        traces.start(f"talkmill-{method.stage}")
        return asyncio.run(_serve(method, settings, build))
    except (OSError, StageError, ProviderUnavailableError, TracesError) as error:
        log.error("the server cannot start", stage=method.stage, error=str(error))
        return 1
    finally:
        traces.stop()


async def _serve(
    method: StageMethod,
    settings: StageServerSettings,
    build: Callable[[], Built],
) -> int:
    # A slice of a long Python computation delays every answer: short ones keep health quick while a stage works.
    sys.setswitchinterval(0.001)
    scratch = _scratch(settings.scratch, method.stage)
    store = open_store(settings.store, method.stage)
    stage_for, first = build()
    metrics.begin_at_zero(method.stage, error_kinds())
    observer.observe(metrics.InferenceMetrics(method.stage))
    executions = ExecutionPool(settings.slots, settings.linger_seconds)
    buckets = {"work": settings.store.work_bucket, "dataset": settings.store.dataset_bucket}
    servicer = StageServicer(method, stage_for, store, buckets, scratch, executions)

    def add(server: grpc.aio.Server) -> list[str]:
        server.add_generic_rpc_handlers((servicer.handler(),))
        return [method.service]

    running = await start_server(settings, add)
    signalled = asyncio.create_task(wait_for_signal())
    try:
        for stage in first:
            await asyncio.to_thread(ensure_loaded, stage)
        await _admitted(settings.store, method.stage, signalled)
        if not signalled.done():
            await running.health.ready()
            log.info("ready", stage=method.stage)
        await signalled
    finally:
        log.info("draining", stage=method.stage, running=executions.running_count)
        await running.health.not_ready()
        await executions.drain(settings.drain_grace_seconds)
        await running.stop(1.0)
        shutil.rmtree(scratch, ignore_errors=True)
    log.info("stopped", stage=method.stage)
    return 0


async def _admitted(settings: StoreSettings, stage: str, signalled: "asyncio.Task[None]") -> None:
    """Wait while the store refuses this process's credential: a new store learns it after the process has begun.

    A store that does not answer is no reason to wait: executions try it again.
    """
    store = open_store(settings.model_copy(update={"retry_seconds": 0.0}), stage)
    while not signalled.done():
        try:
            await asyncio.to_thread(store.read, settings.work_bucket, "probe")
        except PermissionError as error:
            log.warning("the object store refuses the credential; trying again", stage=stage, error=str(error))
            await asyncio.wait([signalled], timeout=REFUSED_SECONDS)
        except StoreUnavailableError:
            return
        else:
            return


def _scratch(root: Path, stage: str) -> Path:
    """Return an empty folder of this process, and delete what dead processes of the stage left."""
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{stage}-*"):
        pid = left.name.rpartition("-")[2]
        if pid == str(os.getpid()) or not (pid.isdigit() and _alive(int(pid))):
            shutil.rmtree(left, ignore_errors=True)
    folder = root / f"{stage}-{os.getpid()}"
    folder.mkdir()
    return folder


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
