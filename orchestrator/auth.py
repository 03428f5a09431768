"""Bearer tokens of the PipelineService and their scopes. Tokens are kept as hashes only."""

import hmac
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC
from pathlib import Path
from typing import Any, Literal

import grpc
import structlog

from orchestrator.callers import ALLOWS, ANYONE, Caller, Scope, set_caller
from orchestrator.tokens_file import Token, TokensError, read_tokens
from talkmill.api.pipeline.v1 import pipeline_pb2
from talkmill.stages.errors import ScopeMissingError, StageError, UnauthenticatedError
from talkmill.telemetry import metrics
from talkmill.wire.status import trailing_status
from talkmill.wire.tokens import hash_token

log = structlog.get_logger()

_SERVICE = pipeline_pb2.DESCRIPTOR.services_by_name["PipelineService"]
SERVICE = _SERVICE.full_name
_METHODS = {f"/{SERVICE}/{method.name}": method.name for method in _SERVICE.methods}
READ_METHODS = frozenset(["GetRun", "ListRuns", "WatchRun", "ListClips", "ListRunArtifacts"])
# Asked for by probes and by tools before they have a token; they tell nothing of any run.
OPEN_SERVICES = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")


class Tokens:
    """The tokens of a YAML file; the file is read again when it changes.

    A file that is spoilt while the server runs locks nobody out: the tokens read before hold on, and
    `metrics.TOKENS_OUTDATED` says so until it can be read again.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            TokensError: It cannot be read.
        """
        self._path = path
        self._content: bytes | None = None
        self._tokens: tuple[Token, ...] = ()
        self._trouble = ""
        # Calls and the clock read in threads of their own: content and tokens change together.
        self._lock = threading.Lock()
        self.read()

    def check(self, authorization: str, scope: Literal["read", "write"]) -> Caller:
        """Return who calls.

        Args:
            authorization: Value of the header.
            scope: What the call needs.

        Raises:
            UnauthenticatedError: No token, a wrong one, or one that has expired.
            ScopeMissingError: The token does not allow the call.
        """
        self.read()
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise UnauthenticatedError("the call has no bearer token")
        digest = hash_token(token.strip())
        found = [one for one in self._tokens if hmac.compare_digest(one.sha256, digest)]
        if not found:
            raise UnauthenticatedError("the token is not known")
        one = found[0]
        if one.expires is not None and one.expires.astimezone(UTC).timestamp() <= time.time():
            raise UnauthenticatedError(f"the token of {one.name} has expired")
        allowed = frozenset[Scope]().union(*(ALLOWS[given] for given in one.scopes))
        if scope not in allowed:
            raise ScopeMissingError(f"the token of {one.name} does not have the scope {scope}")
        return Caller(one.name, allowed, one.quota)

    def read(self) -> None:
        """Read the file again where it has changed.

        Raises:
            TokensError: It has never been read.
        """
        with self._lock:
            self._read()

    def _read(self) -> None:
        try:
            # The content, not its time: a file may change twice in a tick, and a copy may keep the time.
            content = self._path.read_bytes()
            if content != self._content:
                self._tokens = read_tokens(content)
                self._content = content
        except (OSError, TokensError) as error:
            trouble = f"{self._path}: {error.strerror if isinstance(error, OSError) else error}"
            if self._content is None:
                raise TokensError(f"TALKMILL_TOKENS_FILE: the file of tokens cannot be read: {trouble}") from None
            metrics.TOKENS_OUTDATED.set(1)
            if trouble != self._trouble:
                self._trouble = trouble
                log.error("the file of tokens cannot be read; the tokens read before hold on", error=trouble)
            return
        metrics.TOKENS_OUTDATED.set(0)
        if self._trouble:
            self._trouble = ""
            log.info("the file of tokens is read again", path=str(self._path))


class AuthInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Refuses calls without a token that allows them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Let a call through, or answer it with an error."""
        path: str = handler_call_details.method
        if path.startswith(OPEN_SERVICES):
            return await continuation(handler_call_details)
        scope: Literal["read", "write"] = "read" if path.rpartition("/")[2] in READ_METHODS else "write"
        given = dict(_text(handler_call_details.invocation_metadata)).get("authorization", "")
        try:
            found = self._tokens.check(given, scope)
        except (UnauthenticatedError, ScopeMissingError) as error:
            # The header itself is never logged.
            log.warning("a call was refused", method=path, reason=error.reason, why=str(error))
            # Whoever has no token chooses no label.
            metrics.RPCS.labels(_METHODS.get(path, ""), error.code).inc()
            handler = await continuation(handler_call_details)
            return _refusing(error, handler)
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler.response_streaming:
            return _while_allowed(handler, lambda: self._tokens.check(given, scope), found)
        return _called_by(handler, found)


class OpenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Lets every call through: for a server that only its own machine reaches."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Let a call through."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(OPEN_SERVICES):
            return handler
        return (
            _while_allowed(handler, lambda: ANYONE, ANYONE)
            if handler.response_streaming
            else _called_by(handler, ANYONE)
        )


def _called_by(handler: Any, who: Caller) -> Any:
    """Return a handler that knows who calls."""

    async def one(request: Any, context: Any) -> Any:
        set_caller(who)
        return await handler.unary_unary(request, context)

    return grpc.unary_unary_rpc_method_handler(one, handler.request_deserializer, handler.response_serializer)


def _while_allowed(handler: Any, check: Callable[[], object], who: Caller) -> Any:
    """Return a handler of a stream that knows who calls, and gives nothing more once the token has ended."""

    async def stream(request: Any, context: Any) -> Any:
        set_caller(who)
        async with aclosing(handler.unary_stream(request, context)) as messages:
            async for message in messages:
                try:
                    if check() != who:
                        raise UnauthenticatedError("the token allows something else now: call again")
                except (UnauthenticatedError, ScopeMissingError) as error:
                    log.warning("a stream ended with its token", name=who.name, reason=error.reason)
                    await context.abort(*trailing_status(error, ""))
                yield message

    return grpc.unary_stream_rpc_method_handler(stream, handler.request_deserializer, handler.response_serializer)


def _text(metadata: Sequence[Any] | None) -> list[tuple[str, str]]:
    return [(key, value) for key, value in metadata or () if isinstance(value, str)]


def _refusing(error: StageError, handler: Any) -> Any:
    """Return a handler of the same shape that ends with an error."""
    if handler is None:
        return None

    async def one(request: Any, context: Any) -> None:
        await context.abort(*trailing_status(error, ""))

    async def many(request: Any, context: Any) -> Any:
        await context.abort(*trailing_status(error, ""))
        yield  # pragma: no cover - abort raises

    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(many, handler.request_deserializer, handler.response_serializer)
    return grpc.unary_unary_rpc_method_handler(one, handler.request_deserializer, handler.response_serializer)
