"""The page that Prometheus reads, over plain HTTP on a port of its own.

In the server's event loop: prometheus_client's own server has a thread for every connection, and waits for ever for the
rest of a request.
"""

import asyncio
from http import HTTPStatus

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

# A request is a line and some headers, and Prometheus sends them at once.
READ_SECONDS = 5.0
WRITE_SECONDS = 30.0
MAX_HEAD_BYTES = 16 << 10


async def serve_metrics(address: str, port: int) -> asyncio.Server:
    """Begin to serve the metrics; every path shows them.

    Args:
        address: To listen on.
        port: To listen on; 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """
    return await asyncio.start_server(_answer, address, port, limit=MAX_HEAD_BYTES)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(READ_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        async with asyncio.timeout(WRITE_SECONDS):
            writer.write(await _response(head))
            await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        # Who asks for nothing gets nothing.
        writer.transport.abort()
    finally:
        writer.close()


async def _response(head: str) -> bytes:
    request, *lines = head.split("\r\n")
    if not request.startswith("GET "):
        return _message(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"GET is wanted\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    encode, content_type = choose_encoder(headers.get("accept", ""))
    return _message(HTTPStatus.OK, content_type, await asyncio.to_thread(encode, REGISTRY))


def _message(status: HTTPStatus, content_type: str, content: bytes) -> bytes:
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content
