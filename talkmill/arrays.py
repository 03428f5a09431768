"""Types of arrays."""

import numpy as np
import numpy.typing as npt

# (height, width, 3) RGB, or (height, width) grey; 0 to 255.
Frame = npt.NDArray[np.uint8]
# (frames, height, width, 3) RGB.
Frames = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
