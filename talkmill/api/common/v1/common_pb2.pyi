import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Artifact(_message.Message):
    __slots__ = ("bucket", "key", "sha256", "size_bytes", "media_type")
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    bucket: str
    key: str
    sha256: str
    size_bytes: int
    media_type: str
    def __init__(self, bucket: _Optional[str] = ..., key: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., media_type: _Optional[str] = ...) -> None: ...

class ExecutionContext(_message.Message):
    __slots__ = ("name", "request_id", "output_bucket", "output_key_prefix", "skip_cache_lookup")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_BUCKET_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_KEY_PREFIX_FIELD_NUMBER: _ClassVar[int]
    SKIP_CACHE_LOOKUP_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    output_bucket: str
    output_key_prefix: str
    skip_cache_lookup: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., output_bucket: _Optional[str] = ..., output_key_prefix: _Optional[str] = ..., skip_cache_lookup: _Optional[bool] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("state", "completed_count", "total_count", "unit")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Progress.State]
        STATE_PREPARING: _ClassVar[Progress.State]
        STATE_RUNNING: _ClassVar[Progress.State]
    STATE_UNSPECIFIED: Progress.State
    STATE_PREPARING: Progress.State
    STATE_RUNNING: Progress.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    state: Progress.State
    completed_count: int
    total_count: int
    unit: str
    def __init__(self, state: _Optional[_Union[Progress.State, str]] = ..., completed_count: _Optional[int] = ..., total_count: _Optional[int] = ..., unit: _Optional[str] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("id", "sha256")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    id: str
    sha256: str
    def __init__(self, id: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class ExecutionSummary(_message.Message):
    __slots__ = ("cached_result", "start_time", "fetch_duration", "execute_duration", "upload_duration", "stage_version", "models", "worker", "action_digest", "execution_provider")
    CACHED_RESULT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    FETCH_DURATION_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_DURATION_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_DURATION_FIELD_NUMBER: _ClassVar[int]
    STAGE_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ACTION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    cached_result: bool
    start_time: _timestamp_pb2.Timestamp
    fetch_duration: _duration_pb2.Duration
    execute_duration: _duration_pb2.Duration
    upload_duration: _duration_pb2.Duration
    stage_version: str
    models: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    worker: str
    action_digest: str
    execution_provider: str
    def __init__(self, cached_result: _Optional[bool] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fetch_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., execute_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., upload_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stage_version: _Optional[str] = ..., models: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., worker: _Optional[str] = ..., action_digest: _Optional[str] = ..., execution_provider: _Optional[str] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("x", "y", "width", "height")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    x: int
    y: int
    width: int
    height: int
    def __init__(self, x: _Optional[int] = ..., y: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class Measurement(_message.Message):
    __slots__ = ("number_value", "integer_value", "string_value", "bool_value", "null_value")
    NUMBER_VALUE_FIELD_NUMBER: _ClassVar[int]
    INTEGER_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    NULL_VALUE_FIELD_NUMBER: _ClassVar[int]
    number_value: float
    integer_value: int
    string_value: str
    bool_value: bool
    null_value: _struct_pb2.NullValue
    def __init__(self, number_value: _Optional[float] = ..., integer_value: _Optional[int] = ..., string_value: _Optional[str] = ..., bool_value: _Optional[bool] = ..., null_value: _Optional[_Union[_struct_pb2.NullValue, str]] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("reason", "message", "measure", "threshold")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    measure: float
    threshold: float
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., measure: _Optional[float] = ..., threshold: _Optional[float] = ...) -> None: ...
