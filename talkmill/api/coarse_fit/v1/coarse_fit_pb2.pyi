from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RegressCoefficientsRequest(_message.Message):
    __slots__ = ("context", "landmarks", "size", "parameters", "frames")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    landmarks: _common_pb2.Artifact
    size: int
    parameters: CoarseFitParameters
    frames: _common_pb2.Artifact
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., landmarks: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., size: _Optional[int] = ..., parameters: _Optional[_Union[CoarseFitParameters, _Mapping]] = ..., frames: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ...) -> None: ...

class RegressCoefficientsResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: CoarseFitOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[CoarseFitOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class CoarseFitParameters(_message.Message):
    __slots__ = ("method", "landmark_fraction", "precision")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    LANDMARK_FRACTION_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    method: str
    landmark_fraction: float
    precision: str
    def __init__(self, method: _Optional[str] = ..., landmark_fraction: _Optional[float] = ..., precision: _Optional[str] = ...) -> None: ...

class CoarseFitOutputs(_message.Message):
    __slots__ = ("coefficients", "measurements")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    COEFFICIENTS_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    coefficients: _common_pb2.Artifact
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    def __init__(self, coefficients: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ...) -> None: ...
