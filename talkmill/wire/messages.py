"""Converts messages to frozen dataclasses and back, by field name.

A request is checked here, once: what comes out keeps the bounds of `talkmill.stages.fields`.
"""

import dataclasses
import math
from functools import cache
from typing import Any, TypeVar

from google.protobuf.message import Message
from pydantic import TypeAdapter, ValidationError

from talkmill.api.common.v1.common_pb2 import ExecutionContext, Measurement
from talkmill.stages.errors import InvalidRequestError
from talkmill.text import clean_text, is_plain

ValueT = TypeVar("ValueT")

MAX_REQUEST_ID, MAX_NAME = 256, 1024
# Of a text that is refused.
_SHOWN = 80


def from_message(message: Message, kind: type[ValueT], path: str = "") -> ValueT:
    """Return a message as a dataclass; fields that are not set get the dataclass's defaults.

    Args:
        message: Its fields are a superset of the dataclass's.
        kind: A frozen dataclass.
        path: Where the message stands in the request, for errors.

    Raises:
        InvalidRequestError: A field is missing, not finite or out of bounds; the error names it.
    """
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    plain = {name: value for name, value in _plain(message, path).items() if name in names}
    try:
        value: ValueT = _adapter(kind).validate_python(plain)  # type: ignore[arg-type]
        return value
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        # Positions of a union's members are not fields of the message.
        parts = [str(part) for part in first["loc"] if isinstance(part, int) or str(part).isidentifier()]
        field = ".".join([*([path] if path else []), *parts]) or path
        raise InvalidRequestError(f"{field}: {first['msg']}", field=field) from None


def fill_message(value: Any, message: Message) -> None:
    """Write a dataclass's fields into a message.

    Raises:
        ValueError: A field that the message does not have, such as a path of the embedded mode, has been set.
    """
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        if field.name in message.DESCRIPTOR.fields_by_name:
            _set(message, field.name, given)
        elif given != field.default:
            raise ValueError(f"{type(value).__name__}.{field.name} cannot travel in {message.DESCRIPTOR.name}")


def check_context(context: ExecutionContext) -> None:
    """Check what says how an execution is to be made.

    Raises:
        InvalidRequestError: The error names the field.
    """
    if not context.request_id:
        raise InvalidRequestError("context.request_id: is required", field="context.request_id")
    for name, value, limit in (
        ("request_id", context.request_id, MAX_REQUEST_ID),
        ("name", context.name, MAX_NAME),
        ("output_bucket", context.output_bucket, 63),
        ("output_key_prefix", context.output_key_prefix, 512),
    ):
        check_text(value, f"context.{name}", limit)
    prefix = context.output_key_prefix
    parts = prefix.removesuffix("/").split("/")
    if prefix and (not prefix.endswith("/") or "\\" in prefix or any(part in ("", ".", "..") for part in parts)):
        raise InvalidRequestError(
            "context.output_key_prefix: a relative path that ends in / is wanted", field="context.output_key_prefix"
        )


def check_text(text: str, field: str, limit: int) -> str:
    """Return a text of a request that will be shown.

    Args:
        text: Empty for none.
        field: Of the request.
        limit: Characters that it may have.

    Raises:
        InvalidRequestError: It is too long, or has characters that no line has; the message shows the text.
    """
    if len(text) > limit or not is_plain(text):
        long = f"has {len(text)} characters, at most {limit} are allowed"
        why = long if len(text) > limit else "has characters that do not belong in one line of text"
        raise InvalidRequestError(f"{field}: {clean_text(text)[:_SHOWN]!r} {why}", field=field)
    return text


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plain(message: Message, path: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if _is_map(field):
            result[field.name] = {key: _single(value[key], f"{where}.{key}") for key in sorted(value)}
        elif field.is_repeated:
            result[field.name] = [_single(item, f"{where}.{index}") for index, item in enumerate(value)]
        else:
            result[field.name] = _single(value, where)
    # A scalar without presence that has its zero is not listed; it is a value all the same.
    for absent in message.DESCRIPTOR.fields:
        if absent.name not in result and not absent.is_repeated and not absent.has_presence:
            result[absent.name] = absent.default_value
    return result


def _single(value: Any, path: str) -> Any:
    if isinstance(value, Measurement):
        kind = value.WhichOneof("value")
        return None if kind in (None, "null_value") else _single(getattr(value, kind), path)
    if isinstance(value, Message):
        return _plain(value, path)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequestError(f"{path}: {value} is not a finite number", field=path)
    return value


def _is_map(field: Any) -> bool:
    kind = field.message_type
    return bool(field.is_repeated and kind is not None and kind.GetOptions().map_entry)


def _set(message: Message, name: str, value: Any) -> None:
    field: Any = message.DESCRIPTOR.fields_by_name[name]
    target = getattr(message, name)
    if value is None:
        return
    if _is_map(field):
        for key, item in value.items():
            if field.message_type.fields_by_name["value"].message_type is None:
                target[key] = item
            else:
                target[key].CopyFrom(measurement(item))
    elif isinstance(value, tuple | list):
        for item in value:
            if dataclasses.is_dataclass(item):
                fill_message(item, target.add())
            else:
                target.append(item)
    elif dataclasses.is_dataclass(value):
        # An empty message is a value: it must be seen to be set.
        target.SetInParent()
        fill_message(value, target)
    else:
        setattr(message, name, value)


def measurement(value: float | int | str | bool | None) -> Measurement:
    """Return a measured value as a message; integers stay integers."""
    if value is None:
        return Measurement(null_value=0)  # type: ignore[arg-type]
    if isinstance(value, bool):
        return Measurement(bool_value=value)
    if isinstance(value, int):
        return Measurement(integer_value=value)
    if isinstance(value, float):
        return Measurement(number_value=value)
    return Measurement(string_value=value)
