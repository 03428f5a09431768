from talkmill.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FitCoefficientsRequest(_message.Message):
    __slots__ = ("context", "landmarks", "frames", "video", "alpha", "size", "rate", "parameters", "frame_table", "region", "geometry", "background_color", "face_mesh")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FRAME_TABLE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_COLOR_FIELD_NUMBER: _ClassVar[int]
    FACE_MESH_FIELD_NUMBER: _ClassVar[int]
    context: _common_pb2.ExecutionContext
    landmarks: _common_pb2.Artifact
    frames: _common_pb2.Artifact
    video: _common_pb2.Artifact
    alpha: _common_pb2.Artifact
    size: int
    rate: str
    parameters: FineFitParameters
    frame_table: _common_pb2.Artifact
    region: _common_pb2.Region
    geometry: _common_pb2.Artifact
    background_color: _containers.RepeatedScalarFieldContainer[int]
    face_mesh: _common_pb2.Artifact
    def __init__(self, context: _Optional[_Union[_common_pb2.ExecutionContext, _Mapping]] = ..., landmarks: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., frames: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., video: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., alpha: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., size: _Optional[int] = ..., rate: _Optional[str] = ..., parameters: _Optional[_Union[FineFitParameters, _Mapping]] = ..., frame_table: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., region: _Optional[_Union[_common_pb2.Region, _Mapping]] = ..., geometry: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., background_color: _Optional[_Iterable[int]] = ..., face_mesh: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ...) -> None: ...

class FitCoefficientsResponse(_message.Message):
    __slots__ = ("progress", "outputs", "summary")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    progress: _common_pb2.Progress
    outputs: FineFitOutputs
    summary: _common_pb2.ExecutionSummary
    def __init__(self, progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., outputs: _Optional[_Union[FineFitOutputs, _Mapping]] = ..., summary: _Optional[_Union[_common_pb2.ExecutionSummary, _Mapping]] = ...) -> None: ...

class FitPriors(_message.Message):
    __slots__ = ("landmark_fraction", "contour_weight", "cauchy", "identity", "expression", "independent_frames", "focal_frames", "focal_pixels", "log_focal", "log_focal_basis", "pose_cutoff", "expression_cutoff")
    LANDMARK_FRACTION_FIELD_NUMBER: _ClassVar[int]
    CONTOUR_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CAUCHY_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    INDEPENDENT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    FOCAL_FRAMES_FIELD_NUMBER: _ClassVar[int]
    FOCAL_PIXELS_FIELD_NUMBER: _ClassVar[int]
    LOG_FOCAL_FIELD_NUMBER: _ClassVar[int]
    LOG_FOCAL_BASIS_FIELD_NUMBER: _ClassVar[int]
    POSE_CUTOFF_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_CUTOFF_FIELD_NUMBER: _ClassVar[int]
    landmark_fraction: float
    contour_weight: float
    cauchy: float
    identity: float
    expression: float
    independent_frames: float
    focal_frames: float
    focal_pixels: float
    log_focal: float
    log_focal_basis: float
    pose_cutoff: float
    expression_cutoff: float
    def __init__(self, landmark_fraction: _Optional[float] = ..., contour_weight: _Optional[float] = ..., cauchy: _Optional[float] = ..., identity: _Optional[float] = ..., expression: _Optional[float] = ..., independent_frames: _Optional[float] = ..., focal_frames: _Optional[float] = ..., focal_pixels: _Optional[float] = ..., log_focal: _Optional[float] = ..., log_focal_basis: _Optional[float] = ..., pose_cutoff: _Optional[float] = ..., expression_cutoff: _Optional[float] = ...) -> None: ...

class PhotometricPriors(_message.Message):
    __slots__ = ("independent_texels", "cauchy", "least_sigma")
    INDEPENDENT_TEXELS_FIELD_NUMBER: _ClassVar[int]
    CAUCHY_FIELD_NUMBER: _ClassVar[int]
    LEAST_SIGMA_FIELD_NUMBER: _ClassVar[int]
    independent_texels: float
    cauchy: float
    least_sigma: float
    def __init__(self, independent_texels: _Optional[float] = ..., cauchy: _Optional[float] = ..., least_sigma: _Optional[float] = ...) -> None: ...

class FineFitParameters(_message.Message):
    __slots__ = ("priors", "max_reprojection_pixels", "photometric", "photometric_priors", "max_invalid_fraction", "focal_pixels")
    PRIORS_FIELD_NUMBER: _ClassVar[int]
    MAX_REPROJECTION_PIXELS_FIELD_NUMBER: _ClassVar[int]
    PHOTOMETRIC_FIELD_NUMBER: _ClassVar[int]
    PHOTOMETRIC_PRIORS_FIELD_NUMBER: _ClassVar[int]
    MAX_INVALID_FRACTION_FIELD_NUMBER: _ClassVar[int]
    FOCAL_PIXELS_FIELD_NUMBER: _ClassVar[int]
    priors: FitPriors
    max_reprojection_pixels: float
    photometric: bool
    photometric_priors: PhotometricPriors
    max_invalid_fraction: float
    focal_pixels: float
    def __init__(self, priors: _Optional[_Union[FitPriors, _Mapping]] = ..., max_reprojection_pixels: _Optional[float] = ..., photometric: _Optional[bool] = ..., photometric_priors: _Optional[_Union[PhotometricPriors, _Mapping]] = ..., max_invalid_fraction: _Optional[float] = ..., focal_pixels: _Optional[float] = ...) -> None: ...

class FineFitOutputs(_message.Message):
    __slots__ = ("fit", "preview", "measurements", "notes")
    class MeasurementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Measurement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Measurement, _Mapping]] = ...) -> None: ...
    FIT_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    fit: _common_pb2.Artifact
    preview: _common_pb2.Artifact
    measurements: _containers.MessageMap[str, _common_pb2.Measurement]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, fit: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., preview: _Optional[_Union[_common_pb2.Artifact, _Mapping]] = ..., measurements: _Optional[_Mapping[str, _common_pb2.Measurement]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...
