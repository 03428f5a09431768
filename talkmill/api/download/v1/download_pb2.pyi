from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DownloadVideoRequest(_message.Message):
    __slots__ = ("context", "uri", "upload", "parameters")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    uri: str
    upload: _common_pb2.Artifact
    parameters: DownloadParameters
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., uri: _Optional[str] = ..., upload: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., parameters: _Optional[_Union[DownloadParameters, _Mapping]] = ...) -> None: ...

class DownloadVideoResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: DownloadOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[DownloadOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class DownloadParameters(_message.Message):
    __slots__ = ("max_height",)
    MAX_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    max_height: int
    def __init__(self, max_height: _Optional[int] = ...) -> None: ...

class DownloadOutputs(_message.Message):
    __slots__ = ("source", "provenance", "measurements", "notes")
    class ProvenanceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    source: _common_pb2.Artifact
    provenance: _containers.ScalarMap[str, str]
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, source: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., provenance: _Optional[_Mapping[str, str]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...
