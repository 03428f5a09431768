"""The bootstrap of every server: port, credentials, health, reflection, metrics, signals, drain."""

import asyncio
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from talkmill.environment import given_variables
from talkmill.serving.certificates import read_certificates, read_pair
from talkmill.serving.health import Health
from talkmill.serving.malformed import MalformedInterceptor
from talkmill.serving.metrics_page import serve_metrics
from talkmill.serving.settings import ListenSettings, ServerSettings, TlsSettings
from talkmill.serving.variables import unknown_variables
from talkmill.telemetry import metrics
from talkmill.version import __version__

log = structlog.get_logger()

# Streams that begin at once; the orchestrator refuses more than 4,000 with a reason of its own.
MAX_PENDING_CALLS = 5000
# Clients ping every 30 s; a server that allows it less often closes their connections.
MIN_PING_INTERVAL_MS = 20_000


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that has been started.

    Attributes:
        port: Of gRPC.
        health: Its health.
        stop: Stops it; calls in flight get so many seconds.
    """

    port: int
    health: Health
    stop: Callable[[float], Awaitable[None]]


async def start_server(
    settings: ServerSettings,
    add_services: Callable[[grpc.aio.Server], Sequence[str]],
    interceptors: Sequence[Any] = (),
) -> RunningServer:
    """Start a server that is alive and not yet ready.

    Args:
        settings: Where it listens, and its certificates.
        add_services: Adds services and returns their full names, for reflection.
        interceptors: Of every call.

    Raises:
        CertificateError: A file of TLS cannot be used.
        OSError: A port is taken, or the address is none of this machine; the message names the setting.
    """
    listen, health, credentials = settings.listen, Health(), server_credentials(settings.tls)
    server = grpc.aio.server(
        interceptors=[*interceptors, MalformedInterceptor()],
        options=[
            ("grpc.so_reuseport", 0),
            # By default gRPC cancels some of the calls that wait to be taken up from 1,000 on.
            ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", 2 * MAX_PENDING_CALLS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
            # Its grace stays infinite: a stream outlives its connection's age.
            ("grpc.max_connection_age_ms", round(listen.max_connection_age_seconds * 1000)),
        ],
    )
    servers = [server]
    try:
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
        names = [*add_services(server), health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
        port = _bind(server, listen, "port", credentials)
        if listen.health_port is not None:
            plain = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
            servers.append(plain)
            health_pb2_grpc.add_HealthServicer_to_server(health.servicer, plain)
            _bind(plain, listen, "health_port", None)
        await health.alive()
        for one in servers:
            await one.start()
        metrics_server = await _metrics(listen)
    except BaseException:
        await asyncio.gather(*(one.stop(0) for one in servers))
        raise
    metrics_port = metrics_server.sockets[0].getsockname()[1]
    metrics.BUILD.info({"version": __version__})
    log.info(
        "listening", address=listen.address, port=port, metrics_port=metrics_port, tls=bool(settings.tls.certificate)
    )

    async def stop(grace_seconds: float) -> None:
        await asyncio.gather(*(one.stop(grace_seconds) for one in servers))
        # Until the end: how a drain goes on is measured too.
        metrics_server.close()

    return RunningServer(port, health, stop)


async def wait_for_signal() -> None:
    """Return at SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


def print_settings(settings: ServerSettings) -> None:
    """Log the settings, with secrets masked by their type, and the variables that no process reads."""
    log.info("settings", **settings.model_dump(mode="json"))
    for name, nearest in unknown_variables(given_variables()).items():
        log.warning("no process of talkmill reads this variable", variable=name, nearest=nearest)


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials | None:
    """Return gRPC's credentials; None for plain text.

    Raises:
        CertificateError: A file cannot be used.
    """
    if not (tls.certificate and tls.key):
        return None
    chain, key = read_pair(tls.certificate, tls.key, "TALKMILL_TLS__")
    client_ca = read_certificates(tls.client_ca, "TALKMILL_TLS__CLIENT_CA") if tls.client_ca else None
    return grpc.ssl_server_credentials(
        [(key, chain)], root_certificates=client_ca, require_client_auth=client_ca is not None
    )


async def _metrics(listen: ListenSettings) -> asyncio.Server:
    try:
        return await serve_metrics(listen.address, listen.metrics_port)
    except OSError as error:
        raise _not_bound(listen, "metrics_port", error) from error


def _bind(
    server: grpc.aio.Server, listen: ListenSettings, setting: str, credentials: grpc.ServerCredentials | None
) -> int:
    address, port = listen.address, getattr(listen, setting)
    target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        return int(server.add_secure_port(target, credentials) if credentials else server.add_insecure_port(target))
    except RuntimeError as error:
        raise _not_bound(listen, setting, error) from error


def _not_bound(listen: ListenSettings, setting: str, error: Exception) -> OSError:
    """Return why an address cannot be listened on; gRPC itself does not say."""
    port = getattr(listen, setting)
    why, wrong = str(error), setting
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(listen.address, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as one:
                one.bind(where)
    except OSError as found:
        why = found.strerror or str(found)
        wrong = setting if found.errno in (errno.EADDRINUSE, errno.EACCES) else "address"
        if found.errno == errno.EADDRINUSE:
            why += ": stop who has it, or choose another"
    return OSError(f"TALKMILL_LISTEN__{wrong.upper()}: cannot listen on {listen.address}:{port}: {why}")
