"""What stages hand on besides pictures and sound: arrays of a clip, each with its dtype and shape, as one .npz file.

N is the number of the clip's frames, the same in every record of a clip.
"""

import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from talkmill.arrays import BoolArray, Float32Array, Float64Array, Int64Array

MEDIA_TYPE = "application/x-npz"
# Of a shape: the number of frames.
N = -1


# What NumPy and zipfile raise of a file that is damaged.
_UNREADABLE = (
    AttributeError,
    BadZipFile,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    zlib.error,
)


class RecordError(ValueError):
    """A file does not hold the arrays of a record; the message says which, what is wanted and what was found."""


def _array(dtype: type[np.generic], *shape: int) -> Any:
    return field(metadata={"dtype": np.dtype(dtype), "shape": shape})


@dataclass(frozen=True, slots=True)
class Record:
    """Arrays of a clip. A subclass names them; their dtypes and shapes are checked when it is made."""

    def __post_init__(self) -> None:
        """Check dtypes, shapes and the common number of frames.

        Raises:
            RecordError: An array is not what its field says.
        """
        counts: dict[str, int] = {}
        for one in fields(self):
            array, dtype, shape = getattr(self, one.name), one.metadata["dtype"], one.metadata["shape"]
            wanted = ", ".join("N" if side == N else str(side) for side in shape)
            if not isinstance(array, np.ndarray):
                raise RecordError(f"{self._of(one.name)} is no array")
            if array.dtype != dtype or array.ndim != len(shape):
                raise RecordError(f"{self._of(one.name)} is {array.dtype} {array.shape}, {dtype} ({wanted}) is wanted")
            for found, side in zip(array.shape, shape, strict=True):
                if side == N:
                    counts[one.name] = found
                elif found != side:
                    raise RecordError(f"{self._of(one.name)} has the shape {array.shape}, ({wanted}) is wanted")
        if len(set(counts.values())) > 1:
            raise RecordError(f"{type(self).__name__}: the arrays differ in their number of frames: {counts}")

    def save(self, path: Path) -> None:
        """Write the arrays as .npz."""
        with path.open("wb") as file:
            np.savez(file, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the arrays of an .npz file.

        Raises:
            RecordError: It holds other arrays, or none that can be read.
        """
        names = [one.name for one in fields(cls)]
        try:
            with path.open("rb") as file, NpzFile(file, allow_pickle=False) as arrays:
                found = sorted(arrays.files)
                if found != sorted(names):
                    raise RecordError(f"{cls.__name__}: {', '.join(names)} are wanted, {path.name} holds {found}")
                return cls(**{name: arrays[name] for name in names})
        except RecordError:
            raise
        except _UNREADABLE as error:
            raise RecordError(f"{cls.__name__}: {path.name} cannot be read: {error}") from error

    @classmethod
    def _of(cls, name: str) -> str:
        return f"{cls.__name__}.{name}"


@dataclass(frozen=True, slots=True)
class FaceTrack(Record):
    """The face of a clip, and where its frames come from; of the split stage.

    Attributes:
        boxes: (N, 4) x0, y0, x1, y1 in pixels of the clip.
        scores: (N,) of the detector; 0 where the box was interpolated.
        repeated: (N,) whether the frame repeats the one before.
        source_indices: (N,) number of the source's frame.
        source_times: (N,) seconds in the source.
    """

    boxes: Float32Array = _array(np.float32, N, 4)
    scores: Float32Array = _array(np.float32, N)
    repeated: BoolArray = _array(np.bool_, N)
    source_indices: Int64Array = _array(np.int64, N)
    source_times: Float64Array = _array(np.float64, N)


@dataclass(frozen=True, slots=True)
class CropGeometry(Record):
    """Where the crop lies; of the crop stage.

    Attributes:
        image_from_crop: (3, 3) pixels of the crop to pixels of the clip, pixel centres at integers.
        face_boxes: (N, 4) x0, y0, x1, y1 in pixels of the crop.
        valid: (N,) whether the detector saw the face.
    """

    image_from_crop: Float64Array = _array(np.float64, 3, 3)
    face_boxes: Float32Array = _array(np.float32, N, 4)
    valid: BoolArray = _array(np.bool_, N)


@dataclass(frozen=True, slots=True)
class ClipLandmarks(Record):
    """68 landmarks a frame; of the landmarks stage.

    Attributes:
        points: (N, 68, 2) pixels of the crop, smoothed; pixel centres at integers.
        raw_points: (N, 68, 2) the same before they were smoothed.
        confidence: (N, 68) 0 to 1.
        valid: (N,) whether the frame could be measured.
    """

    points: Float32Array = _array(np.float32, N, 68, 2)
    raw_points: Float32Array = _array(np.float32, N, 68, 2)
    confidence: Float32Array = _array(np.float32, N, 68)
    valid: BoolArray = _array(np.bool_, N)


@dataclass(frozen=True, slots=True)
class CoarseFit(Record):
    """Deep3DFaceRecon's coefficients; of the coarse_fit stage.

    Attributes:
        coeff: (N, 257) coefficients.
        transform_params: (N, 5) width, height, scale and shift of the alignment.
        warping_params: (N, 4, 4) the crop's pixels to the aligned image, as OTAvatar reads them.
        valid: (N,) of the landmarks.
    """

    coeff: Float32Array = _array(np.float32, N, 257)
    transform_params: Float32Array = _array(np.float32, N, 5)
    warping_params: Float32Array = _array(np.float32, N, 4, 4)
    valid: BoolArray = _array(np.bool_, N)


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

    euler: Float32Array = _array(np.float32, N, 3)
    trans: Float32Array = _array(np.float32, N, 3)
    focal: Float32Array = _array(np.float32, 1)
    focal_interval: Float32Array = _array(np.float32, 2)
    id: Float32Array = _array(np.float32, 100)
    exp: Float32Array = _array(np.float32, N, 79)
    reprojection_error: Float32Array = _array(np.float32, N)
    reprojection_error_inner: Float32Array = _array(np.float32, N)
    photometric_residual: Float32Array = _array(np.float32, N)
    jitter: Float32Array = _array(np.float32, N)
    valid: BoolArray = _array(np.bool_, N)
