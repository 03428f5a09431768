"""Answers bytes that are no message with INVALID_ARGUMENT; gRPC itself answers INTERNAL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from talkmill.stages.errors import InvalidRequestError
from talkmill.wire.status import trailing_status

# Stands for a request that could not be read, on its way from the deserialiser to the method.
_UNREADABLE = object()


class MalformedInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Answers requests of our own services that cannot be read; their methods take one request each."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Wrap the method's deserialiser and body."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith("/talkmill."):
            return handler

        def read(content: bytes) -> Any:
            try:
                return handler.request_deserializer(content)
            except DecodeError:
                return _UNREADABLE

        async def one(request: Any, context: Any) -> Any:
            if request is _UNREADABLE:
                await context.abort(*_refusal())
            return await handler.unary_unary(request, context)

        async def many(request: Any, context: Any) -> AsyncIterator[Any]:
            if request is _UNREADABLE:
                await context.abort(*_refusal())
            async for answer in handler.unary_stream(request, context):
                yield answer

        if not handler.response_streaming:
            return grpc.unary_unary_rpc_method_handler(one, read, handler.response_serializer)
        return grpc.unary_stream_rpc_method_handler(many, read, handler.response_serializer)


def _refusal() -> Any:
    return trailing_status(
        InvalidRequestError("request: the bytes are not a message of this method", field="request"), ""
    )
