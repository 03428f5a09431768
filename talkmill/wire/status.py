"""Converts errors to google.rpc.Status and back. The table is `talkmill.stages.errors`."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from pydantic import TypeAdapter, ValidationError

from talkmill.artifacts.artifact import Artifact
from talkmill.stages.errors import InvalidRequestError, LostInputError, StageError, error_kinds

_ARTIFACT = TypeAdapter(Artifact)
DOMAIN = "talkmill"
STATUS_METADATA = "grpc-status-details-bin"


def trailing_status(error: StageError, stage: str) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Return what `context.abort` takes: code, message, and metadata with exactly one ErrorInfo."""
    message = f"{error}; {error.remedy}"[:2000]
    metadata = {"stage": stage, "detail": str(error)[:1000]}
    if error.measure is not None:
        metadata["measure"] = repr(error.measure)
    if error.threshold is not None:
        metadata["threshold"] = repr(error.threshold)
    if isinstance(error, InvalidRequestError):
        metadata["field"] = error.field
    if isinstance(error, LostInputError) and error.artifact is not None:
        metadata["artifact"] = _ARTIFACT.dump_json(error.artifact).decode()
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    return grpc.StatusCode[error.code], message, ((STATUS_METADATA, status.SerializeToString()),)


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    """Return talkmill's ErrorInfo of a failed call; None where the failure is the transport's."""
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key != STATUS_METADATA:
            continue
        status = status_pb2.Status()
        try:
            status.ParseFromString(value)
        except DecodeError:
            return None
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                return info
    return None


def stage_error(info: error_details_pb2.ErrorInfo) -> StageError:
    """Return the error that an ErrorInfo stands for."""
    metadata = info.metadata
    kind = error_kinds().get(info.reason, StageError)
    message = metadata.get("detail", info.reason)
    error = kind(message, measure=_number(metadata, "measure"), threshold=_number(metadata, "threshold"))
    if isinstance(error, InvalidRequestError):
        error.field = metadata.get("field", "")
    if isinstance(error, LostInputError) and "artifact" in metadata:
        try:
            error.artifact = _ARTIFACT.validate_json(metadata["artifact"])
        except ValidationError:
            # A stage of another version: the error counts, what it says beyond that does not.
            error.artifact = None
    return error


def _number(metadata: Mapping[str, str], name: str) -> float | None:
    return float(metadata[name]) if name in metadata else None
