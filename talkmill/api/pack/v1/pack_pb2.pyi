from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PackClipsRequest(_message.Message):
    __slots__ = ("context", "clips", "parameters")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    clips: _common_pb2.Artifact
    parameters: PackParameters
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., clips: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., parameters: _Optional[_Union[PackParameters, _Mapping]] = ...) -> None: ...

class PackClipsResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: PackOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[PackOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class PackParameters(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class PackOutputs(_message.Message):
    __slots__ = ("database", "index", "lists", "measurements")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    database: _common_pb2.Artifact
    index: _common_pb2.Artifact
    lists: _containers.RepeatedCompositeFieldContainer[_common_pb2.Artifact]
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    def __init__(self, database: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., index: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., lists: _Optional[_Iterable[_Union[_common_pb2.Artifact, _Mapping]]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ...) -> None: ...
