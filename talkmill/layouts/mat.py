"""Files of MATLAB, written so that the same values give the same bytes, and read without trust."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat, savemat
from scipy.io.matlab import MatReadError

# The text that a .mat file begins with. Source: MathWorks, "MAT-File Format", level 5 header, 116 bytes of text.
MAT_HEADER = b"MATLAB 5.0 MAT-file, written by talkmill".ljust(116)


def write_mat(path: Path, values: Mapping[str, npt.NDArray[np.floating]]) -> None:
    """Write a .mat file; SciPy puts the time into its first bytes, which are replaced."""
    savemat(path, dict(values))
    with path.open("r+b") as file:
        file.write(MAT_HEADER)


def read_mat(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of numbers of a .mat file; what is of another kind is left out.

    Raises:
        ValueError: It is none that SciPy reads.
    """
    try:
        values = loadmat(path)
    except (
        MatReadError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, OverflowError, MemoryError,
        OSError, EOFError, zlib.error,
    ) as error:  # fmt: skip
        raise ValueError(f"SciPy does not read it: {error}") from error
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.number)
    }
