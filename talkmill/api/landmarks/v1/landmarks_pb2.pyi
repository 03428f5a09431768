from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DetectLandmarksRequest(_message.Message):
    __slots__ = ("context", "frames", "geometry", "rate", "parameters")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    frames: _common_pb2.Artifact
    geometry: _common_pb2.Artifact
    rate: str
    parameters: LandmarksParameters
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., frames: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., geometry: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., rate: _Optional[str] = ..., parameters: _Optional[_Union[LandmarksParameters, _Mapping]] = ...) -> None: ...

class DetectLandmarksResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: LandmarksOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[LandmarksOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class LandmarksParameters(_message.Message):
    __slots__ = ("cutoff_hertz", "max_invalid_fraction", "max_face_distance")
    CUTOFF_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MAX_INVALID_FRACTION_FIELD_NUMBER: _ClassVar[int]
    MAX_FACE_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    cutoff_hertz: float
    max_invalid_fraction: float
    max_face_distance: float
    def __init__(self, cutoff_hertz: _Optional[float] = ..., max_invalid_fraction: _Optional[float] = ..., max_face_distance: _Optional[float] = ...) -> None: ...

class LandmarksOutputs(_message.Message):
    __slots__ = ("landmarks", "measurements", "notes", "face_mesh")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    FACE_MESH_FIELD_NUMBER: _ClassVar[int]
    landmarks: _common_pb2.Artifact
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    notes: _containers.RepeatedScalarFieldContainer[str]
    face_mesh: _common_pb2.Artifact
    def __init__(self, landmarks: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ..., notes: _Optional[_Iterable[str]] = ..., face_mesh: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ...) -> None: ...
