"""ICT-FaceKit's light face model in the layout that the pipeline loads.

Source: Li et al., "Learning formation of physically-based face attributes", CVPR 2020 (MIT).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from talkmill.morphable.model import MorphableModel, without_size

IDENTITY_COUNT = 40
# The mesh is in centimetres.
CENTIMETRES_PER_UNIT = 10.0
LEFT_OUT_UNITS = ("eyeLook", "tongue", "Pupil")
# iBUG 68 in the vertex order of the face region (docs/models.md).
LANDMARKS = """
1225 1888 1052 367 1719 1722 2199 1447 966 3661 4390 3927 3924 2608 3272 4088 3443 268 493 1914 2044 1401 3615 4240 4114
2734 2509 978 4527 4942 4857 1140 2075 1147 4269 3360 1507 1542 1537 1528 1518 1511 3742 3751 3756 3721 3725 3732 5708
5695 2081 0 4275 6200 6213 6346 6461 5518 5957 5841 5702 5711 5533 6216 6207 6470 5517 5966
"""


def build(folder: Path, target: Path) -> None:
    """Build the model from `ict_light_face9409_f16.npz` in a folder."""
    with np.load(next(folder.glob("*.npz")), allow_pickle=False) as arrays:
        names = [str(name) for name in arrays["exp_names"]]
        kept = [index for index, name in enumerate(names) if not name.startswith(LEFT_OUT_UNITS)]
        landmarks = np.array(LANDMARKS.split(), np.int32)
        mean = arrays["mean"].astype(np.float32)
        mean = (mean - mean[landmarks].mean(0)) / CENTIMETRES_PER_UNIT
        quads = arrays["faces"].astype(np.int32)
        MorphableModel(
            name="ict-light",
            mean=mean,
            identity=without_size(_modes_last(arrays["identity"][:IDENTITY_COUNT]), mean, landmarks),
            expression=_modes_last(arrays["expression"][kept]),
            expression_names=tuple(names[index] for index in kept),
            triangles=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
            landmarks=landmarks,
        ).save(target)


def _modes_last(modes: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    return np.moveaxis(modes.astype(np.float32), 0, -1) / np.float32(CENTIMETRES_PER_UNIT)
