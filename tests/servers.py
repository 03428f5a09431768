"""Real servers for the tests: MinIO, Postgres, and whole clusters on free ports."""

import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local import tools
from deploy.local.cluster import Cluster, free_port
from talkmill.client.client import Client
from talkmill.environment import cache_folder
from talkmill.serving.settings import StoreSettings

FAST_STAGES = (sys.executable, "-m", "tests.orchestrator.fast_stages", "{stage}")


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@contextmanager
def running_minio(folder: Path) -> Iterator[StoreSettings]:
    """A MinIO server of its own; its settings come back."""
    port, secret = free_port(), secrets.token_urlsafe(16)
    environment = {
        "MINIO_ROOT_USER": "talkmill",
        "MINIO_ROOT_PASSWORD": secret,
        "MINIO_UPDATE": "off",
        "MINIO_BROWSER": "off",
        "HOME": str(folder),
    }
    command = [str(tools.minio(cache_folder() / "tools")), "server", "--quiet", "--address", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, str(folder)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/minio/health/ready", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    try:
        wait_until(ready, 30, "MinIO is ready")
        yield StoreSettings(endpoint=f"127.0.0.1:{port}", access_key="talkmill", secret_key=secret, retry_seconds=5)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_cluster(folder: Path, **options: object) -> Iterator[Cluster]:
    """A whole cluster on free ports; what it logged is shown where a test fails."""
    cluster = Cluster(folder, first_port=0, **options)
    try:
        try:
            cluster.up()
        except tools.ToolError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        yield cluster
    finally:
        cluster.down()


def client_of(cluster: Cluster) -> Client:
    return Client(cluster.server)


@pytest.fixture(scope="session")
def store_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    with running_minio(tmp_path_factory.mktemp("minio")) as settings:
        yield settings


@contextmanager
def running_process(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server as a process; its output goes to a file."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def store_environment(settings: StoreSettings) -> dict[str, str]:
    return {
        "TALKMILL_STORE__ENDPOINT": settings.endpoint,
        "TALKMILL_STORE__ACCESS_KEY": settings.access_key,
        "TALKMILL_STORE__SECRET_KEY": settings.secret_key.get_secret_value(),
        "TALKMILL_STORE__RETRY_SECONDS": "5",
    }


def is_ready(port: int, credentials: grpc.ChannelCredentials | None = None, address: str = "127.0.0.1") -> bool:
    target = f"{address}:{port}"
    channel = grpc.secure_channel(target, credentials) if credentials else grpc.insecure_channel(target)
    with channel:
        try:
            request = health_pb2.HealthCheckRequest(service="readiness")
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING
