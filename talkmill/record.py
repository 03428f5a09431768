"""Arrays of a clip, each with its dtype and shape, as one .npz file.

N is the number of the clip's frames, the same in every record of a clip.
"""

import zlib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

NPZ_MEDIA_TYPE = "application/x-npz"
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


def array(dtype: type[np.generic], *shape: int) -> Any:
    """Declare an array of a record: its dtype and shape; N stands for the number of frames."""
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

    def of_frames(self, frames: npt.NDArray[np.int64]) -> Self:
        """Return the record of some frames, (M,) numbers of this one's; they may repeat. What has no N stays."""
        chosen = {one.name: getattr(self, one.name)[frames] for one in fields(self) if N in one.metadata["shape"][:1]}
        return replace(self, **chosen)

    @classmethod
    def _of(cls, name: str) -> str:
        return f"{cls.__name__}.{name}"
