"""What stages hand on besides pictures and sound, as typed records; N is the number of the clip's frames.

The frame table of a clip is `talkmill.video.frame_table.FrameTable`.
"""

from dataclasses import dataclass

import numpy as np

from talkmill.arrays import BoolArray, Float32Array, Float64Array
from talkmill.record import NPZ_MEDIA_TYPE, N, Record, RecordError, array

MEDIA_TYPE = NPZ_MEDIA_TYPE
__all__ = [
    "MEDIA_TYPE",
    "ClipFaceMesh",
    "ClipLandmarks",
    "CoarseFit",
    "CropGeometry",
    "FaceTrack",
    "FineFit",
    "RecordError",
]


@dataclass(frozen=True, slots=True)
class FaceTrack(Record):
    """The face of a clip; of the split stage.

    Attributes:
        boxes: (N, 4) x0, y0, x1, y1 in pixels of the upright frame.
        scores: (N,) of the detector; 0 where the box was interpolated.
    """

    boxes: Float32Array = array(np.float32, N, 4)
    scores: Float32Array = array(np.float32, N)


@dataclass(frozen=True, slots=True)
class CropGeometry(Record):
    """Where the crop lies; of the crop stage.

    Attributes:
        image_from_crop: (3, 3) pixels of the crop to pixels of the clip, pixel centres at integers.
        face_boxes: (N, 4) x0, y0, x1, y1 in pixels of the crop.
        valid: (N,) whether the detector saw the face.
    """

    image_from_crop: Float64Array = array(np.float64, 3, 3)
    face_boxes: Float32Array = array(np.float32, N, 4)
    valid: BoolArray = array(np.bool_, N)


@dataclass(frozen=True, slots=True)
class ClipLandmarks(Record):
    """68 landmarks a frame; of the landmarks stage.

    Attributes:
        points: (N, 68, 2) pixels of the crop, smoothed; pixel centres at integers.
        raw_points: (N, 68, 2) the same before they were smoothed.
        confidence: (N, 68) 0 to 1.
        valid: (N,) whether the frame could be measured.
    """

    points: Float32Array = array(np.float32, N, 68, 2)
    raw_points: Float32Array = array(np.float32, N, 68, 2)
    confidence: Float32Array = array(np.float32, N, 68)
    valid: BoolArray = array(np.bool_, N)


@dataclass(frozen=True, slots=True)
class ClipFaceMesh(Record):
    """MediaPipe's face mesh of each frame; of the landmarks stage. Frames that are not valid there are interpolated.

    Attributes:
        mesh: (N, 478, 3) pixels of the crop as measured, not smoothed; pixel centres at integers. z is in pixels too,
            grows away from the camera and has its zero near the middle of the head. Vertices 468 to 472 are the iris
            of the subject's right eye, the middle first, 473 to 477 that of the left.
        presence: (N,) logit of the net that there is a face; as measured, never interpolated.
        eye_opening: (N, 2) distance of the lids over the width of the eye, the subject's right eye first.
        gaze: (N, 2, 2) middle of the iris less that of the eye's corners, in widths of the eye: towards the subject's
            left and down the face; the subject's right eye first.
    """

    mesh: Float32Array = array(np.float32, N, 478, 3)
    presence: Float32Array = array(np.float32, N)
    eye_opening: Float32Array = array(np.float32, N, 2)
    gaze: Float32Array = array(np.float32, N, 2, 2)


@dataclass(frozen=True, slots=True)
class CoarseFit(Record):
    """Deep3DFaceRecon's coefficients; of the coarse_fit stage.

    Attributes:
        coeff: (N, 257) coefficients.
        transform_params: (N, 5) width, height, scale and shift of the alignment.
        warping_params: (N, 4, 4) the crop's pixels to the aligned image, as OTAvatar reads them.
        valid: (N,) of the landmarks.
    """

    coeff: Float32Array = array(np.float32, N, 257)
    transform_params: Float32Array = array(np.float32, N, 5)
    warping_params: Float32Array = array(np.float32, N, 4, 4)
    valid: BoolArray = array(np.bool_, N)


@dataclass(frozen=True, slots=True)
class FineFit(Record):
    """Camera pose, expression and identity; of the fine_fit stage. Frames of coordinates: docs/coordinates.md.

    Attributes:
        euler: (N, 3) radians, AD-NeRF's angles.
        trans: (N, 3) units of 10 cm.
        focal: (1,) pixels of a 512 crop.
        focal_interval: (2,) the focal lies between these, pixels of a 512 crop.
        id: (100,) identity, in standard deviations.
        exp: (N, 79) expression, in standard deviations.
        reprojection_error: (N,) RMS over 68 points, pixels at 512.
        reprojection_error_inner: (N,) RMS over the inner points, pixels at 512.
        photometric_residual: (N,) grey levels.
        jitter: (N,) pixels at 512.
        valid: (N,) whether the head fits the frame.
    """

    euler: Float32Array = array(np.float32, N, 3)
    trans: Float32Array = array(np.float32, N, 3)
    focal: Float32Array = array(np.float32, 1)
    focal_interval: Float32Array = array(np.float32, 2)
    id: Float32Array = array(np.float32, 100)
    exp: Float32Array = array(np.float32, N, 79)
    reprojection_error: Float32Array = array(np.float32, N)
    reprojection_error_inner: Float32Array = array(np.float32, N)
    photometric_residual: Float32Array = array(np.float32, N)
    jitter: Float32Array = array(np.float32, N)
    valid: BoolArray = array(np.bool_, N)
