"""ICT-FaceKit's light face model in the layout that the pipeline loads.

Source: Li et al., "Learning formation of physically-based face attributes", CVPR 2020 (MIT).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from talkmill.models.export.bfm_frame import ICT
from talkmill.morphable.landmark_points import landmark_points
from talkmill.morphable.model import MorphableModel, without_size

IDENTITY_COUNT = 40
# The mesh is in centimetres.
CENTIMETRES_PER_UNIT = 10.0
# As makehuman-head's.
ALIGNMENT_SCALE = 1.017
LEFT_OUT_UNITS = ("eyeLook", "tongue", "Pupil")


def build(folder: Path, target: Path) -> None:
    """Build the model from `ict_light_face9409_f16.npz` in a folder."""
    with np.load(next(folder.glob("*.npz")), allow_pickle=False) as arrays:
        names = [str(name) for name in arrays["exp_names"]]
        kept = [index for index, name in enumerate(names) if not name.startswith(LEFT_OUT_UNITS)]
        points = landmark_points("ict")
        landmarks = points.landmarks
        mean = arrays["mean"].astype(np.float32)
        mean = (mean - mean[landmarks].mean(0)) / CENTIMETRES_PER_UNIT
        quads = arrays["faces"].astype(np.int32)
        MorphableModel(
            name="ict-light",
            mean=ICT.points(mean),
            identity=ICT.modes(without_size(_modes_last(arrays["identity"][:IDENTITY_COUNT]), mean, landmarks)),
            expression=ICT.modes(_modes_last(arrays["expression"][kept])),
            expression_names=tuple(names[index] for index in kept),
            triangles=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
            landmarks=landmarks,
            vertex_indices=points.vertex_indices,
            barycentric=points.barycentric,
            alignment_scale=ALIGNMENT_SCALE,
        ).save(target)


def _modes_last(modes: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    return np.moveaxis(modes.astype(np.float32), 0, -1) / np.float32(CENTIMETRES_PER_UNIT)
