"""Points spread over the face's skin: the texels whose colour the photometric term compares between frames."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float64Array
from talkmill.fitting.projection import LinearShape
from talkmill.morphable.model import MorphableModel

TEXELS = 2500
# Skin that is used, on the mean head in units of 10 cm: around the landmarks, up to the hairline, in front of
# the jaw; chosen by eye on the mean heads of bfm09 and makehuman-head.
FOREHEAD, SIDE, BEFORE_JAW = 0.12, -0.03, 0.2
# Eyes (they look around and blink) and the edge of the lips' opening are left out.
EYE_MARGIN, EYE_HEIGHT, MOUTH_MARGIN = 1.15, 0.75, 0.05
# The nostrils look down and are dark.
NOSTRIL_RADIUS = 0.08
# Texels of one cell are held out together: neighbours tell of each other.
CELL, HELD_OUT_OF = 0.12, 5
# Primes that spread cells over numbers. Source: Teschner et al., "Optimized spatial hashing for collision detection of
# deformable objects", VMV 2003, section 4.1, which joins the products by exclusive or; here they are added.
CELL_PRIMES = (73856093, 19349663, 83492791)
SEED = 68


@dataclass(frozen=True, slots=True)
class Surface:
    """Texels of a model.

    Attributes:
        shape: Their places, S points of the model.
        faces: (S,) triangle of each texel.
        held_out: (S,) texels that are never fitted, only compared.
    """

    shape: LinearShape[np.float64]
    faces: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.bool_]


def face_surface(model: MorphableModel) -> Surface:
    """Spread texels evenly over the skin of the face.

    Args:
        model: The head.

    Returns:
        The texels; the same for the same model.
    """
    mean = model.mean.astype(np.float64)
    corners = mean[model.triangles]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1) / 2
    skin = np.flatnonzero(_is_skin(corners.mean(1), mean[model.landmarks]) & (area > 0) & (cross[:, 2] > 0))
    random = np.random.default_rng(SEED)
    # Stratified: the k-th texel falls into the k-th equal part of the area.
    edges = np.cumsum(area[skin])
    chosen = skin[np.searchsorted(edges, (np.arange(TEXELS) + random.uniform(size=TEXELS)) / TEXELS * edges[-1])]
    u, v = random.uniform(size=(2, TEXELS))
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], axis=1)
    rows = model.triangles[chosen]

    def blended(values: npt.NDArray[np.float32]) -> Float64Array:
        return np.asarray(np.einsum("sc,sc...->s...", weights, values[rows].astype(np.float64)))

    shape = LinearShape(blended(model.mean), blended(model.identity), blended(model.expression))
    cells = np.floor(shape.mean / CELL).astype(np.int64)
    return Surface(shape, chosen, (cells @ CELL_PRIMES) % HELD_OUT_OF == 0)


def _is_skin(places: Float64Array, landmarks: Float64Array) -> npt.NDArray[np.bool_]:
    """Return which places of the mean head are bare skin in front, (P, 3) to (P,)."""
    brow, chin = landmarks[17:27, 1].max(), landmarks[8]
    jaw = landmarks[[*range(3), *range(14, 17)]]
    # The jaw's edge: half width at each height.
    heights, widths = landmarks[8:17, 1], landmarks[8:17, 0]
    half = np.interp(places[:, 1], heights, widths) + SIDE
    inside = (places[:, 1] > chin[1]) & (places[:, 1] < brow + FOREHEAD) & (np.abs(places[:, 0]) < half)
    inside &= places[:, 2] > jaw[:, 2].mean() + BEFORE_JAW
    for eye in (landmarks[36:42], landmarks[42:48]):
        centre, width = eye.mean(0), np.ptp(eye[:, 0]) / 2 * EYE_MARGIN
        offset = (places[:, :2] - centre[:2]) / [width, EYE_HEIGHT * width]
        inside &= (offset**2).sum(1) > 1
    lips = landmarks[60:68]
    steps = np.concatenate([np.linspace(a, b, 6) for a, b in zip(lips, np.roll(lips, -1, 0), strict=True)])
    distance = np.sqrt(((places[:, None, :2] - steps[None, :, :2]) ** 2).sum(-1)).min(1)
    inside &= distance > MOUTH_MARGIN
    nostrils = np.linalg.norm(places - landmarks[31:36].mean(0), axis=1) < NOSTRIL_RADIUS
    return np.asarray(inside & ~nostrils)
