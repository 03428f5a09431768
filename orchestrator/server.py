"""The orchestrator's process: database, engine, lease, PipelineService. `python -m orchestrator`."""

import asyncio
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable

import grpc
import structlog

from orchestrator.auth import AuthInterceptor, OpenInterceptor, Tokens
from orchestrator.dbos_engine import DbosEngine
from orchestrator.engine import FINISH, INTAKE
from orchestrator.finish import Finisher
from orchestrator.intake import Intake
from orchestrator.leases import EXIT_LEASE_LOST, Leases
from orchestrator.ledger.database import is_transient, migrate, open_database, until_answered
from orchestrator.ledger.executions import Executions
from orchestrator.ledger.quotas import Uploads
from orchestrator.ledger.runs import Runs
from orchestrator.service import PipelineServicer
from orchestrator.settings import OrchestratorSettings
from orchestrator.stage_caller import StageCaller
from orchestrator.tokens_file import TokensError
from orchestrator.worker import Worker
from talkmill.api.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc
from talkmill.artifacts.s3 import S3Store
from talkmill.artifacts.store import StoreUnavailableError
from talkmill.pipeline.graph import names_of
from talkmill.serving.server import print_settings, server_credentials, start_server, wait_for_signal
from talkmill.serving.settings import StoreSettings, read_settings
from talkmill.serving.stores import open_store, store_client
from talkmill.stages.errors import error_kinds
from talkmill.telemetry import metrics, traces
from talkmill.telemetry.logs import configure_server_logs
from talkmill.wire.methods import stage_methods

log = structlog.get_logger()

CANCEL_SECONDS, BACKLOG_SECONDS, STORE_SECONDS, FORGET_SECONDS = 2.0, 5.0, 10.0, 600.0
TOKENS_SECONDS = 30.0
REFUSED_SECONDS = 2.0


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(OrchestratorSettings)
    configure_server_logs(settings.log_level)
    print_settings(settings)
    try:
        traces.start("talkmill-orchestrator")
        return asyncio.run(_serve(settings))
    except (OSError, TokensError, ValueError) as error:
        log.error("the orchestrator cannot start", error=str(error))
        return 1


async def _serve(settings: OrchestratorSettings) -> int:
    tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
    if tokens is None and not settings.listen.loopback:
        raise ValueError(f"listening on {settings.listen.address} needs TALKMILL_TOKENS_FILE")
    # What a setting names is looked at before anything is waited for.
    server_credentials(settings.tls)
    methods = stage_methods()
    caller = StageCaller(methods, settings.stage_targets, settings.stage_tls, settings.idle_seconds)
    url = settings.database_url.get_secret_value()
    database = open_database(url, settings.database_pool_size)
    await asyncio.to_thread(until_answered, lambda: migrate(database), "migration")
    executor_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    concurrency = {stage: settings.stage_concurrency.get(stage, settings.concurrency) for stage in methods}
    engine = DbosEngine(url, executor_id, concurrency | {INTAKE: 2, FINISH: 2}, settings.polling_seconds)
    leases = Leases(database, executor_id, settings.lease_seconds, settings.lease_renew_seconds, settings.reap_seconds)
    store = open_store(settings.store, "orchestrator")
    await asyncio.to_thread(_buckets, store, settings.store)
    executions, runs = Executions(database, engine, leases.check), Runs(database, engine)
    work_bucket, dataset_bucket = settings.store.work_bucket, settings.store.dataset_bucket
    finisher = Finisher(runs, executions, store, work_bucket, dataset_bucket)
    worker = Worker(
        executions,
        caller.call,
        Intake(runs, executions, store, work_bucket),
        finisher,
        dataset_bucket,
        lambda: os._exit(EXIT_LEASE_LOST),
    )
    public, internal = store_client(settings.store, public=True), store_client(settings.store)
    uploads = Uploads(database)
    servicer = PipelineServicer(
        runs,
        uploads,
        finisher,
        store,
        public,
        internal,
        work_bucket,
        dataset_bucket,
        caller.stop,
        settings.streams_per_owner,
    )

    def add(server: grpc.aio.Server) -> list[str]:
        pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
        return [pipeline_pb2.DESCRIPTOR.services_by_name["PipelineService"].full_name]

    running = await start_server(settings, add, [AuthInterceptor(tokens) if tokens else OpenInterceptor()])
    await asyncio.to_thread(leases.acquire)
    await asyncio.to_thread(engine.launch, worker.handle)
    leases.keep(engine)
    metrics.begin_endings_at_zero(names_of(), error_kinds())
    metrics.REACHABLE.labels("store").set(1)
    metrics.REACHABLE.labels("database").set(1)
    probe = open_store(settings.store.model_copy(update={"retry_seconds": 0.0}), "orchestrator")
    for seconds, work in (
        (CANCEL_SECONDS, lambda: _stop_cancelled(runs, caller)),
        (BACKLOG_SECONDS, lambda: _measure_backlog(runs)),
        (STORE_SECONDS, lambda: _probe_store(probe, work_bucket)),
        (FORGET_SECONDS, lambda: _forget(engine, settings.execution_retention_hours)),
        (FORGET_SECONDS, lambda: _erase(runs, settings.address_retention_hours)),
        (FORGET_SECONDS, lambda: uploads.look(lambda key: key in store.list_keys(work_bucket, key))),
    ):
        threading.Thread(target=_every, args=(seconds, work), daemon=True).start()
    if tokens is not None:
        # Calls read it too; where none comes, trouble with the file is seen all the same.
        threading.Thread(target=_every, args=(TOKENS_SECONDS, tokens.read), daemon=True).start()
    await running.health.ready()
    log.info("ready", executor=executor_id)
    await wait_for_signal()
    log.info("stopping")
    await running.health.not_ready()
    await running.stop(2.0)
    # Nothing to wait for: every task is in the database, and stages let another replica join what goes on.
    try:
        leases.release()
    except Exception as error:
        log.warning("the lease could not be released", error=type(error).__name__)
    traces.stop()
    os._exit(0)


def _buckets(store: S3Store, settings: StoreSettings) -> None:
    """Make the buckets, and let uploads and intermediates expire. A new store may not know the credential yet."""
    days = settings.retention_days
    deadline = time.monotonic() + settings.retry_seconds
    while True:
        try:
            store.ensure_bucket(settings.work_bucket, {"": days} if days else {})
            store.ensure_bucket(settings.dataset_bucket, {})
            return
        except StoreUnavailableError as error:
            raise OSError(f"{settings.endpoint}: {error}") from error
        except PermissionError as error:
            if time.monotonic() >= deadline:
                raise OSError(f"{settings.endpoint}: {error}") from error
            log.warning("the object store refuses the credential; trying again", error=str(error))
            time.sleep(REFUSED_SECONDS)


def _stop_cancelled(runs: Runs, caller: StageCaller) -> None:
    """End this replica's calls of runs that were cancelled, perhaps at another replica."""
    going_on = caller.run_ids()
    for run_id in runs.cancelled(going_on) if going_on else ():
        caller.stop(run_id)


def _measure_backlog(runs: Runs) -> None:
    try:
        backlog = runs.backlog()
    except Exception:
        metrics.REACHABLE.labels("database").set(0)
        raise
    metrics.REACHABLE.labels("database").set(1)
    for stage in names_of():
        count, age = backlog.get(stage, (0, 0.0))
        metrics.BACKLOG.labels(stage).set(count)
        metrics.OLDEST_PENDING.labels(stage).set(age)


def _probe_store(probe: S3Store, bucket: str) -> None:
    try:
        probe.read(bucket, "probe")
    except OSError as error:
        metrics.REACHABLE.labels("store").set(0)
        log.warning("the object store cannot be used", error=str(error))
    else:
        metrics.REACHABLE.labels("store").set(1)


def _forget(engine: DbosEngine, hours: float) -> None:
    count = engine.forget(hours * 3600)
    if count:
        log.info("deleted what was kept of ended executions", count=count)


def _erase(runs: Runs, hours: float) -> None:
    count = runs.erase_addresses(hours * 3600)
    if count:
        log.info("erased addresses of sources that were not downloaded", count=count)


def _every(seconds: float, work: Callable[[], object]) -> None:
    while True:
        time.sleep(seconds)
        try:
            work()
        except Exception as error:
            if not is_transient(error):
                log.error("unexpected error", exc_info=error)
