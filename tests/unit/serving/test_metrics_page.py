"""The page of metrics answers whoever asks, however many others have begun to."""

import asyncio
import threading
import urllib.request
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from socket import create_connection

import pytest

from talkmill.serving import metrics_page
from talkmill.serving.metrics_page import MAX_HEAD_BYTES, serve_metrics
from talkmill.telemetry.metrics import RPCS

# What the page shows is registered when it is imported.
assert RPCS


def page(port: int, **headers: str) -> tuple[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    with suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    async with await serve_metrics("127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def test_prometheus_gets_the_format_that_it_asks_for() -> None:
    async def run() -> None:
        async with served() as port:
            await formats(port)

    async def formats(port: int) -> None:
        kind, text = await asyncio.to_thread(page, port)
        assert kind.startswith("text/plain; version=")
        assert "# TYPE talkmill_rpcs_total counter" in text
        kind, text = await asyncio.to_thread(page, port, Accept="application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        assert text.endswith("# EOF\n")

    asyncio.run(run())


def test_requests_that_are_never_finished_cost_no_thread_and_stop_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_page, "READ_SECONDS", 1.0)

    async def run() -> None:
        async with served() as port:
            await asyncio.to_thread(page, port)
            await asyncio.to_thread(hold, port, threading.active_count())

    def hold(port: int, threads: int) -> None:
        with ExitStack() as stack:
            held = [stack.enter_context(create_connection(("127.0.0.1", port), timeout=10)) for _ in range(300)]
            for one in held:
                one.sendall(b"GET /metr")
            assert "talkmill_rpcs" in page(port)[1]
            assert threading.active_count() <= threads + 2
            # They are let go, and get nothing.
            for one in held:
                with suppress(ConnectionResetError):
                    assert one.recv(100) == b""

    asyncio.run(run())


@pytest.mark.parametrize(("request_", "answer"), [
    (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
    (b"\r\n\r\n", b"HTTP/1.1 405 "),
    (b"GET /metrics HTTP/1.1\r\n:\r\n\xff: \xfe\r\n\r\n", b"HTTP/1.1 200 "),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES, b""),
])  # fmt: skip
def test_requests_of_any_kind_end(request_: bytes, answer: bytes) -> None:
    async def run() -> bytes:
        async with served() as port:
            return await asked(port, request_)

    assert asyncio.run(run())[:13] == answer
