from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SplitVideoRequest(_message.Message):
    __slots__ = ("context", "source", "parameters")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    source: _common_pb2.Artifact
    parameters: SplitParameters
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., source: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., parameters: _Optional[_Union[SplitParameters, _Mapping]] = ...) -> None: ...

class SplitVideoResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: SplitOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[SplitOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("start_seconds", "end_seconds")
    START_SECONDS_FIELD_NUMBER: _ClassVar[int]
    END_SECONDS_FIELD_NUMBER: _ClassVar[int]
    start_seconds: float
    end_seconds: float
    def __init__(self, start_seconds: _Optional[float] = ..., end_seconds: _Optional[float] = ...) -> None: ...

class SplitParameters(_message.Message):
    __slots__ = ("fps", "ranges", "min_seconds", "min_face_pixels", "max_gap_seconds", "max_union_ratio", "video_stream", "audio_stream")
    FPS_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    MIN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MIN_FACE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_GAP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_UNION_RATIO_FIELD_NUMBER: _ClassVar[int]
    VIDEO_STREAM_FIELD_NUMBER: _ClassVar[int]
    AUDIO_STREAM_FIELD_NUMBER: _ClassVar[int]
    fps: str
    ranges: _containers.RepeatedCompositeFieldContainer[TimeRange]
    min_seconds: float
    min_face_pixels: float
    max_gap_seconds: float
    max_union_ratio: float
    video_stream: int
    audio_stream: int
    def __init__(self, fps: _Optional[str] = ..., ranges: _Optional[_Iterable[_Union[TimeRange, _Mapping]]] = ..., min_seconds: _Optional[float] = ..., min_face_pixels: _Optional[float] = ..., max_gap_seconds: _Optional[float] = ..., max_union_ratio: _Optional[float] = ..., video_stream: _Optional[int] = ..., audio_stream: _Optional[int] = ...) -> None: ...

class Clip(_message.Message):
    __slots__ = ("index", "video", "audio", "face_track", "frame_count", "rate", "width", "height", "start_seconds", "measurements", "notes", "frame_table")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FACE_TRACK_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    START_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    FRAME_TABLE_FIELD_NUMBER: _ClassVar[int]
    index: int
    video: _common_pb2.Artifact
    audio: _common_pb2.Artifact
    face_track: _common_pb2.Artifact
    frame_count: int
    rate: str
    width: int
    height: int
    start_seconds: float
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    notes: _containers.RepeatedScalarFieldContainer[str]
    frame_table: _common_pb2.Artifact
    def __init__(self, index: _Optional[int] = ..., video: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., audio: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., face_track: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., frame_count: _Optional[int] = ..., rate: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., start_seconds: _Optional[float] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ..., notes: _Optional[_Iterable[str]] = ..., frame_table: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ...) -> None: ...

class SplitOutputs(_message.Message):
    __slots__ = ("clips", "rejections", "measurements", "notes")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    clips: _containers.RepeatedCompositeFieldContainer[Clip]
    rejections: _containers.RepeatedCompositeFieldContainer[_common_pb2.Rejection]
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, clips: _Optional[_Iterable[_Union[Clip, _Mapping]]] = ..., rejections: _Optional[_Iterable[_Union[_common_pb2.Rejection, _Mapping]]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...
