"""Calls that come while the server is busy wait; gRPC itself cancels some of them by default."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import grpc

from talkmill.serving.server import start_server
from talkmill.serving.settings import ServerSettings

CALLS = 2500
BUSY_SECONDS = 2.0


async def answer(request: bytes, context: object) -> AsyncIterator[bytes]:
    yield request


def add(server: grpc.aio.Server) -> Sequence[str]:
    handler = grpc.unary_stream_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("burst.Burst", {"Watch": handler}),))
    return ()


def test_none_of_many_streams_that_begin_at_once_is_cancelled() -> None:
    ports: list[int] = []
    started, asked, done = threading.Event(), threading.Event(), threading.Event()

    async def serve() -> None:
        server = await start_server(ServerSettings(listen={"port": 0, "metrics_port": 0}), add)
        ports.append(server.port)
        started.set()
        # The loop is busy: no call is taken up.
        asked.wait(30)
        time.sleep(BUSY_SECONDS)
        await asyncio.to_thread(done.wait, 60)
        await server.stop(0)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait(30)
    codes: Counter[str] = Counter()
    with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
        watch = channel.unary_stream("/burst.Burst/Watch")
        calls = [watch(b"x", timeout=60) for _ in range(CALLS)]
        asked.set()
        for call in calls:
            try:
                codes[repr(list(call))] += 1
            except grpc.RpcError as error:
                codes[str(error.code())] += 1
    done.set()
    thread.join()
    assert codes == {"[b'x']": CALLS}
