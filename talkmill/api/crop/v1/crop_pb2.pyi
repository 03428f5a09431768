from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CropVideoRequest(_message.Message):
    __slots__ = ("context", "video", "alpha", "face_track", "rate", "parameters", "frame_table", "region")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    FACE_TRACK_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FRAME_TABLE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    video: _common_pb2.Artifact
    alpha: _common_pb2.Artifact
    face_track: _common_pb2.Artifact
    rate: str
    parameters: CropParameters
    frame_table: _common_pb2.Artifact
    region: _common_pb2.Region
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., video: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., alpha: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., face_track: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., rate: _Optional[str] = ..., parameters: _Optional[_Union[CropParameters, _Mapping]] = ..., frame_table: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., region: _Optional[_Union[_common_pb2.Region, _Mapping]] = ...) -> None: ...

class CropVideoResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: CropOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[CropOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class CropParameters(_message.Message):
    __slots__ = ("size", "increase_area", "background_color", "image_format")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    INCREASE_AREA_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_COLOR_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    size: int
    increase_area: float
    background_color: _containers.RepeatedScalarFieldContainer[int]
    image_format: str
    def __init__(self, size: _Optional[int] = ..., increase_area: _Optional[float] = ..., background_color: _Optional[_Iterable[int]] = ..., image_format: _Optional[str] = ...) -> None: ...

class CropOutputs(_message.Message):
    __slots__ = ("frames", "geometry", "measurements", "notes")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    frames: _common_pb2.Artifact
    geometry: _common_pb2.Artifact
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, frames: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., geometry: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...
