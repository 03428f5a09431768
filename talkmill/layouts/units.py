"""Expressions as tables that trainers read: ARKit's coefficients, and action units under OpenFace's names.

The numbers are talkmill's own: the head's units, the opening and gaze of the face mesh, the gap of the lips. Neither
OpenFace nor MediaPipe made them, and a table says so.

Source: Apple, ARKit, ARFaceAnchor.BlendShapeLocation; Ekman and Friesen, "Facial action coding system", 1978; the order
of columns: ZiqiaoPeng/SyncTalk d2427a3, data_utils/blendshape_capture/main.py, and OpenFace, RecorderCSV.cpp.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Float64Array
from talkmill.landmarks.eyes import OPEN_QUANTILE

# MediaPipe's order without `_neutral`; the last has no number there, and SyncTalk puts 0.
BLENDSHAPES = (
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen"),
    *("jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
# What is measured of the face mesh and not of the head, whose units follow lids too slowly and gaze not at all.
SEEN = frozenset(name for name in BLENDSHAPES if name.startswith(("eyeBlink", "eyeLook")))
# Action units that are means of coefficients; a whole unit is intensity 5.
ACTION_UNITS: dict[str, tuple[str, ...]] = {
    "AU01": ("browInnerUp",),
    "AU02": ("browOuterUpLeft", "browOuterUpRight"),
    "AU04": ("browDownLeft", "browDownRight"),
    "AU05": ("eyeWideLeft", "eyeWideRight"),
    "AU06": ("cheekSquintLeft", "cheekSquintRight"),
    "AU07": ("eyeSquintLeft", "eyeSquintRight"),
    "AU09": ("noseSneerLeft", "noseSneerRight"),
    "AU10": ("mouthUpperUpLeft", "mouthUpperUpRight"),
    "AU12": ("mouthSmileLeft", "mouthSmileRight"),
    "AU14": ("mouthDimpleLeft", "mouthDimpleRight"),
    "AU15": ("mouthFrownLeft", "mouthFrownRight"),
    "AU17": ("mouthShrugLower",),
    "AU20": ("mouthStretchLeft", "mouthStretchRight"),
    "AU23": ("mouthPressLeft", "mouthPressRight"),
    "AU26": ("jawOpen",),
}
# What the head says.
FITTED = tuple(name for name in BLENDSHAPES if name not in SEEN and name != "tongueOut")
MOST = 5.0
# Every reader clips AU45 at 2 and halves it. 1 is where a blink begins, see `talkmill.landmarks.eyes.blinks`.
SHUT = 2.0
# Chosen: lips that are as far apart as 0.4 of the outer eye corners are wide open.
WIDE_LIPS = 0.4
# Chosen: an iris that moves by a fifth of the eye's width has turned by about 30 degrees.
FULL_LOOK = 0.2
SOURCE = "talkmill"


def units_of(names: Sequence[str], values: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.floating]]:
    """Return a head's coefficients by ARKit's names.

    Args:
        names: Of the head's units; ICT-FaceKit writes `_L` and `_R` for sides, and has two where ARKit has one.
        values: (N, E).

    Returns:
        Every name of `FITTED` to (N,).

    Raises:
        KeyError: The head has no such unit.
    """
    sides = {"_L": "Left", "_R": "Right"}
    spelled = [name[:-2] + sides[name[-2:]] if name[-2:] in sides else name for name in names]
    held = {name: values[:, index] for index, name in enumerate(spelled)}

    def unit(name: str) -> npt.NDArray[np.floating]:
        if name in held or f"{name}Left" not in held:
            return held[name]
        return np.asarray((held[f"{name}Left"] + held[f"{name}Right"]) / 2)

    return {name: unit(name) for name in FITTED}


def closure(opening: npt.NDArray[np.floating]) -> Float64Array:
    """Return how far lids are shut.

    Args:
        opening: (N, 2), `ClipFaceMesh.eye_opening` of a whole clip, not smoothed: a blink lasts 0.1 to 0.4 s.

    Returns:
        (N, 2) from 0, as open as in one frame of ten or more, to 1, no opening; 0.5 is where a blink begins.
    """
    wide = np.quantile(opening, OPEN_QUANTILE, axis=0)
    return np.asarray(np.clip(1 - opening.astype(np.float64) / np.maximum(wide, 1e-6), 0, 1))


def blendshapes(
    units: Mapping[str, npt.NDArray[np.floating]], opening: npt.NDArray[np.floating], gaze: npt.NDArray[np.floating]
) -> Float64Array:
    """Return ARKit's coefficients.

    Args:
        units: Of `units_of`.
        opening: (N, 2) of the eyes, the subject's right first, not smoothed.
        gaze: (N, 2, 2) of `ClipFaceMesh.gaze`; straight is the clip's median.

    Returns:
        (N, 52) in the order of `BLENDSHAPES`, 0 to 1.
    """
    right, left = closure(opening).T
    moved = (gaze - np.median(gaze, axis=0)) / FULL_LOOK
    seen = {"eyeBlinkRight": right, "eyeBlinkLeft": left, "tongueOut": np.zeros(len(opening))}
    # Towards the subject's left is in for the right eye and out for the left.
    for eye, side, inwards in ((0, "Right", 1), (1, "Left", -1)):
        across, down = moved[:, eye].T
        seen |= {f"eyeLookIn{side}": inwards * across, f"eyeLookOut{side}": -inwards * across}
        seen |= {f"eyeLookDown{side}": down, f"eyeLookUp{side}": -down}
    columns = [seen[name] if name in seen else units[name] for name in BLENDSHAPES]
    return np.clip(np.stack(columns, axis=1).astype(np.float64), 0, 1)


def action_units(shapes: Float64Array, lips: npt.NDArray[np.floating]) -> dict[str, Float64Array]:
    """Return intensities of action units.

    Args:
        shapes: (N, 52) of `blendshapes`.
        lips: (N,) gap of the inner lips over the distance of the outer eye corners.

    Returns:
        `AU01` and so on, in order, to (N,) from 0 to 5; AU45 from 0 to 2.
    """
    at = {name: shapes[:, index] for index, name in enumerate(BLENDSHAPES)}
    found = {unit: MOST * np.mean([at[name] for name in names], axis=0) for unit, names in ACTION_UNITS.items()}
    found["AU25"] = MOST * np.clip(np.asarray(lips, np.float64) / WIDE_LIPS, 0, 1)
    found["AU45"] = SHUT * (at["eyeBlinkLeft"] + at["eyeBlinkRight"]) / 2
    return dict(sorted(found.items()))


def openface_table(
    intensities: Mapping[str, Float64Array], confidence: npt.NDArray[np.floating], valid: BoolArray, rate: float
) -> str:
    """Write intensities as OpenFace does: a row a frame, names after the first begin with a space.

    A last column says that talkmill measured them.

    Args:
        intensities: Of `action_units`.
        confidence: (N,) 0 to 1.
        valid: (N,) whether the frame could be measured: OpenFace's `success`.
        rate: Frames a second.
    """
    table = io.StringIO()
    names = ["frame", "face_id", "timestamp", "confidence", "success", *(f"{unit}_r" for unit in intensities), "source"]
    print(", ".join(names), file=table)
    for frame, (sure, good, *row) in enumerate(zip(confidence, valid, *intensities.values(), strict=True)):
        values = (f"{value:.3f}" for value in row)
        print(", ".join([f"{frame + 1}, 0, {frame / rate:.3f}, {sure:.2f}, {good:d}", *values, SOURCE]), file=table)
    return table.getvalue()
