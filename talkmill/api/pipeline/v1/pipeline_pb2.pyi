import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from talkmill.api.coarse_fit.v1 import coarse_fit_pb2 as _coarse_fit_pb2
from talkmill.api.common.v1 import common_pb2 as _common_pb2
from talkmill.api.crop.v1 import crop_pb2 as _crop_pb2
from talkmill.api.download.v1 import download_pb2 as _download_pb2
from talkmill.api.fine_fit.v1 import fine_fit_pb2 as _fine_fit_pb2
from talkmill.api.landmarks.v1 import landmarks_pb2 as _landmarks_pb2
from talkmill.api.matting.v1 import matting_pb2 as _matting_pb2
from talkmill.api.split.v1 import split_pb2 as _split_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_UNSPECIFIED: _ClassVar[State]
    STATE_PENDING: _ClassVar[State]
    STATE_RUNNING: _ClassVar[State]
    STATE_SUCCEEDED: _ClassVar[State]
    STATE_FAILED: _ClassVar[State]
    STATE_CANCELLED: _ClassVar[State]

class Split(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPLIT_UNSPECIFIED: _ClassVar[Split]
    SPLIT_TRAIN: _ClassVar[Split]
    SPLIT_TEST: _ClassVar[Split]
    SPLIT_BY_PERSON: _ClassVar[Split]
STATE_UNSPECIFIED: State
STATE_PENDING: State
STATE_RUNNING: State
STATE_SUCCEEDED: State
STATE_FAILED: State
STATE_CANCELLED: State
SPLIT_UNSPECIFIED: Split
SPLIT_TRAIN: Split
SPLIT_TEST: Split
SPLIT_BY_PERSON: Split

class Source(_message.Message):
    __slots__ = ("uri", "upload", "person", "link_person", "split")
    URI_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    LINK_PERSON_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    uri: str
    upload: _common_pb2.Artifact
    person: str
    link_person: bool
    split: Split
    def __init__(self, uri: _Optional[str] = ..., upload: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., person: _Optional[str] = ..., link_person: _Optional[bool] = ..., split: _Optional[_Union[Split, str]] = ...) -> None: ...

class PipelineParameters(_message.Message):
    __slots__ = ("download", "split", "matting", "crop", "landmarks", "coarse_fit", "fine_fit", "kinds")
    DOWNLOAD_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    MATTING_FIELD_NUMBER: _ClassVar[int]
    CROP_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    COARSE_FIT_FIELD_NUMBER: _ClassVar[int]
    FINE_FIT_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    download: _download_pb2.DownloadParameters
    split: _split_pb2.SplitParameters
    matting: _matting_pb2.MattingParameters
    crop: _crop_pb2.CropParameters
    landmarks: _landmarks_pb2.LandmarksParameters
    coarse_fit: _coarse_fit_pb2.CoarseFitParameters
    fine_fit: _fine_fit_pb2.FineFitParameters
    kinds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, download: _Optional[_Union[_download_pb2.DownloadParameters, _Mapping]] = ..., split: _Optional[_Union[_split_pb2.SplitParameters, _Mapping]] = ..., matting: _Optional[_Union[_matting_pb2.MattingParameters, _Mapping]] = ..., crop: _Optional[_Union[_crop_pb2.CropParameters, _Mapping]] = ..., landmarks: _Optional[_Union[_landmarks_pb2.LandmarksParameters, _Mapping]] = ..., coarse_fit: _Optional[_Union[_coarse_fit_pb2.CoarseFitParameters, _Mapping]] = ..., fine_fit: _Optional[_Union[_fine_fit_pb2.FineFitParameters, _Mapping]] = ..., kinds: _Optional[_Iterable[str]] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("name", "state", "create_time", "end_time", "parameters", "priority", "source_count", "sources_complete", "failed_source_count", "pending_clip_count", "succeeded_clip_count", "failed_clip_count", "cancelled_clip_count", "frame_count", "stages", "reason", "message", "estimated_time_left")
    class StageCount(_message.Message):
        __slots__ = ("stage", "pending_count", "running_count", "succeeded_count", "failed_count")
        STAGE_FIELD_NUMBER: _ClassVar[int]
        PENDING_COUNT_FIELD_NUMBER: _ClassVar[int]
        RUNNING_COUNT_FIELD_NUMBER: _ClassVar[int]
        SUCCEEDED_COUNT_FIELD_NUMBER: _ClassVar[int]
        FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
        stage: str
        pending_count: int
        running_count: int
        succeeded_count: int
        failed_count: int
        def __init__(self, stage: _Optional[str] = ..., pending_count: _Optional[int] = ..., running_count: _Optional[int] = ..., succeeded_count: _Optional[int] = ..., failed_count: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCES_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    FAILED_SOURCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_CLIP_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_CLIP_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_CLIP_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_CLIP_COUNT_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_TIME_LEFT_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: State
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    parameters: PipelineParameters
    priority: int
    source_count: int
    sources_complete: bool
    failed_source_count: int
    pending_clip_count: int
    succeeded_clip_count: int
    failed_clip_count: int
    cancelled_clip_count: int
    frame_count: int
    stages: _containers.RepeatedCompositeFieldContainer[Run.StageCount]
    reason: str
    message: str
    estimated_time_left: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[State, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., parameters: _Optional[_Union[PipelineParameters, _Mapping]] = ..., priority: _Optional[int] = ..., source_count: _Optional[int] = ..., sources_complete: _Optional[bool] = ..., failed_source_count: _Optional[int] = ..., pending_clip_count: _Optional[int] = ..., succeeded_clip_count: _Optional[int] = ..., failed_clip_count: _Optional[int] = ..., cancelled_clip_count: _Optional[int] = ..., frame_count: _Optional[int] = ..., stages: _Optional[_Iterable[_Union[Run.StageCount, _Mapping]]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., estimated_time_left: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Clip(_message.Message):
    __slots__ = ("name", "source", "state", "stage", "frame_count", "reason", "message", "measure", "threshold", "is_source")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    IS_SOURCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: str
    state: State
    stage: str
    frame_count: int
    reason: str
    message: str
    measure: float
    threshold: float
    is_source: bool
    def __init__(self, name: _Optional[str] = ..., source: _Optional[str] = ..., state: _Optional[_Union[State, str]] = ..., stage: _Optional[str] = ..., frame_count: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., measure: _Optional[float] = ..., threshold: _Optional[float] = ..., is_source: _Optional[bool] = ...) -> None: ...

class CreateRunRequest(_message.Message):
    __slots__ = ("sources", "source_list", "parameters", "priority", "request_id")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LIST_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    source_list: _common_pb2.Artifact
    parameters: PipelineParameters
    priority: int
    request_id: str
    def __init__(self, sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ..., source_list: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., parameters: _Optional[_Union[PipelineParameters, _Mapping]] = ..., priority: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CancelRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class RetryRunRequest(_message.Message):
    __slots__ = ("name", "clips", "from_stage")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    FROM_STAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    clips: _containers.RepeatedScalarFieldContainer[str]
    from_stage: str
    def __init__(self, name: _Optional[str] = ..., clips: _Optional[_Iterable[str]] = ..., from_stage: _Optional[str] = ...) -> None: ...

class RetryRunResponse(_message.Message):
    __slots__ = ("run", "retried_count")
    RUN_FIELD_NUMBER: _ClassVar[int]
    RETRIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    run: Run
    retried_count: int
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ..., retried_count: _Optional[int] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class ListClipsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "state")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    state: State
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[State, str]] = ...) -> None: ...

class ListClipsResponse(_message.Message):
    __slots__ = ("clips", "next_page_token")
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    clips: _containers.RepeatedCompositeFieldContainer[Clip]
    next_page_token: str
    def __init__(self, clips: _Optional[_Iterable[_Union[Clip, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateUploadRequest(_message.Message):
    __slots__ = ("file_name", "sha256", "size_bytes", "internal_endpoint")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    sha256: str
    size_bytes: int
    internal_endpoint: bool
    def __init__(self, file_name: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., internal_endpoint: _Optional[bool] = ...) -> None: ...

class CreateUploadResponse(_message.Message):
    __slots__ = ("upload", "put_uri", "put_headers")
    class PutHeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    PUT_URI_FIELD_NUMBER: _ClassVar[int]
    PUT_HEADERS_FIELD_NUMBER: _ClassVar[int]
    upload: _common_pb2.Artifact
    put_uri: str
    put_headers: _containers.ScalarMap[str, str]
    def __init__(self, upload: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., put_uri: _Optional[str] = ..., put_headers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListRunArtifactsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "internal_endpoint")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    internal_endpoint: bool
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., internal_endpoint: _Optional[bool] = ...) -> None: ...

class ListRunArtifactsResponse(_message.Message):
    __slots__ = ("artifacts", "next_page_token")
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[RunArtifact]
    next_page_token: str
    def __init__(self, artifacts: _Optional[_Iterable[_Union[RunArtifact, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RunArtifact(_message.Message):
    __slots__ = ("path", "artifact", "get_uri")
    PATH_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    GET_URI_FIELD_NUMBER: _ClassVar[int]
    path: str
    artifact: _common_pb2.Artifact
    get_uri: str
    def __init__(self, path: _Optional[str] = ..., artifact: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., get_uri: _Optional[str] = ...) -> None: ...
