"""The way out of a served download: a proxy on loopback that resolves, checks and pins every address.

Everything that a download sends, yt-dlp's requests and every redirect included, goes through it, so that an untrusted
URL cannot reach a private, link-local or loopback address. Names are resolved once, here, and the connection goes to
the address that was checked: a name that resolves otherwise a second time gains nothing.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

ResultT = TypeVar("ResultT")

HEAD_BYTES = 64 << 10
CHUNK_BYTES = 64 << 10
HEAD_SECONDS, CONNECT_SECONDS, IDLE_SECONDS = 10, 20, 60
# Special-purpose addresses, after IANA's registries (RFC 6890, RFC 8190) as of 2026-11-27, and Azure's host that every
# machine there reaches. A list of our own: what `ipaddress` calls global differs between versions of Python.
SPECIAL_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
        "240.0.0.0/4",
    )
)  # fmt: skip
# Of IPv6 only what is handed out to hosts at all, without protocol assignments, documentation and 6to4.
_UNICAST_IPV6 = IPv6Network("2000::/3")
_SPECIAL_IPV6 = tuple(
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)  # fmt: skip
# IPv6 addresses that carry an IPv4 address in their last four bytes (RFC 6052, RFC 4291).
_CARRIERS = (ip_network("64:ff9b::/96"), ip_network("::/96"))


class AddressRefusedError(ValueError):
    """A name resolves to nothing that may be reached."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which addresses may be reached: public ones, and networks that the operator names."""

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def allows(self, address: IPv4Address | IPv6Address) -> bool:
        """Say whether an address may be reached."""
        inner = _carried(address)
        if any(inner in network for network in self.allowed_networks if network.version == inner.version):
            return True
        if isinstance(inner, IPv4Address):
            return not any(inner in network for network in SPECIAL_IPV4)
        return inner in _UNICAST_IPV6 and not any(inner in network for network in _SPECIAL_IPV6)

    def choose(self, host: str, found: Iterable[str]) -> str:
        """Return the first address of a name, if every one of them may be reached.

        Raises:
            AddressRefusedError: One may not; a name with mixed addresses is an attack or a mistake.
        """
        addresses = [ip_address(text.partition("%")[0]) for text in found]
        for address in addresses:
            if not self.allows(address):
                raise AddressRefusedError(f"{host} leads to {address}, which is not a public address")
        if not addresses:
            raise AddressRefusedError(f"{host} has no address")
        return str(addresses[0])


@dataclass(slots=True)
class Traffic:
    """What went through a proxy.

    Attributes:
        received_bytes: From the web.
        refused: Why connections were refused, in order.
        too_much: Whether the bound on bytes was broken.
    """

    received_bytes: int = 0
    refused: list[str] = field(default_factory=list)
    too_much: bool = False


class GuardedProxy:
    """An HTTP proxy (CONNECT and absolute URIs) on a free loopback port, for one download; a context manager."""

    def __init__(self, policy: AddressPolicy, max_bytes: int) -> None:
        """Create a proxy.

        Args:
            policy: Which addresses may be reached.
            max_bytes: Connections end when more bytes came in together.
        """
        self.traffic = Traffic()
        self._policy, self._max_bytes = policy, max_bytes
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="download-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._wait(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_BYTES))
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wait(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            try:
                await self._answer(reader, writer)
            except AddressRefusedError as error:
                self.traffic.refused.append(str(error))
                writer.write(b"HTTP/1.1 403 address not allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                writer.write(b"HTTP/1.1 502 cannot connect\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            finally:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
        line, _, headers = head.partition(b"\r\n")
        method, target, protocol = line.decode("ascii").split(" ")
        if method == "CONNECT":
            parts = urlsplit(f"//{target}")
            host, port, first = parts.hostname, parts.port or 443, b""
        else:
            parts = urlsplit(target)
            if parts.scheme != "http":
                raise AddressRefusedError(f"{parts.scheme} is not fetched")
            host, port = parts.hostname, parts.port or 80
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            first = f"{method} {path} {protocol}\r\n".encode() + _closing(headers)
        remote_reader, remote_writer = await self._connect(host or "", port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 connected\r\n\r\n")
            remote_writer.write(first)
            await self._relay(reader, writer, remote_reader, remote_writer)
        finally:
            remote_writer.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise OSError(f"{host} cannot be resolved") from error
        address = self._policy.choose(host, dict.fromkeys(str(item[4][0]) for item in found))
        return await asyncio.wait_for(asyncio.open_connection(address, port), CONNECT_SECONDS)

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        remote_reader: asyncio.StreamReader,
        remote_writer: asyncio.StreamWriter,
    ) -> None:
        """Pass bytes both ways until the far side ends, nothing comes for a while, or too much has come."""

        async def outward() -> None:
            while chunk := await reader.read(CHUNK_BYTES):
                remote_writer.write(chunk)
                await remote_writer.drain()

        sending = asyncio.ensure_future(outward())
        try:
            while chunk := await asyncio.wait_for(remote_reader.read(CHUNK_BYTES), IDLE_SECONDS):
                self.traffic.received_bytes += len(chunk)
                if self.traffic.received_bytes > self._max_bytes:
                    self.traffic.too_much = True
                    writer.transport.abort()
                    return
                writer.write(chunk)
                await writer.drain()
        except (OSError, TimeoutError):
            # An answer without a length ends where its connection does: one that broke must not look whole.
            writer.transport.abort()
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending


def _closing(headers: bytes) -> bytes:
    """Return headers that end the connection after one answer, without those meant for the proxy."""
    kept = [
        line
        for line in headers.split(b"\r\n")
        if line
        and line.partition(b":")[0].strip().lower() not in (b"connection", b"proxy-connection", b"proxy-authorization")
    ]
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address inside an IPv6 address, where there is one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if any(address in carrier for carrier in _CARRIERS) and int(address) > 1:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
