from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MatteVideoRequest(_message.Message):
    __slots__ = ("context", "video", "face_track", "rate", "parameters", "frame_table", "increase_area")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    FACE_TRACK_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FRAME_TABLE_FIELD_NUMBER: _ClassVar[int]
    INCREASE_AREA_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    video: _common_pb2.Artifact
    face_track: _common_pb2.Artifact
    rate: str
    parameters: MattingParameters
    frame_table: _common_pb2.Artifact
    increase_area: float
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., video: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., face_track: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., rate: _Optional[str] = ..., parameters: _Optional[_Union[MattingParameters, _Mapping]] = ..., frame_table: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., increase_area: _Optional[float] = ...) -> None: ...

class MatteVideoResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: MattingOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[MattingOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class MattingParameters(_message.Message):
    __slots__ = ("method", "max_lost_fraction", "precision", "full_frame")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    MAX_LOST_FRACTION_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    FULL_FRAME_FIELD_NUMBER: _ClassVar[int]
    method: str
    max_lost_fraction: float
    precision: str
    full_frame: bool
    def __init__(self, method: _Optional[str] = ..., max_lost_fraction: _Optional[float] = ..., precision: _Optional[str] = ..., full_frame: _Optional[bool] = ...) -> None: ...

class MattingOutputs(_message.Message):
    __slots__ = ("alpha", "measurements", "notes", "region")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    alpha: _common_pb2.Artifact
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    notes: _containers.RepeatedScalarFieldContainer[str]
    region: _common_pb2.Region
    def __init__(self, alpha: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ..., notes: _Optional[_Iterable[str]] = ..., region: _Optional[_Union[_common_pb2.Region, _Mapping]] = ...) -> None: ...
