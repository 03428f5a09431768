"""Opening of the eyes and direction of the gaze, read off the face mesh."""

import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray
from talkmill.landmarks.mesh import IRISES
from talkmill.video.stretches import stretches_of

# Vertices of each eye, the subject's right one first: corner to its right, corner to its left, pairs of upper and
# lower lid. The pairs are those of the eye aspect ratio's six points.
CORNERS = ((33, 133), (362, 263))
LIDS = (((160, 144), (158, 153)), ((385, 380), (387, 373)))
FOREHEAD, CHIN = 10, 152
# Lids are shut below this share of how far they are open in nearly all frames of the clip: eyes differ too much from
# person to person for one number. Of 27 closures that were found so in ten clips, 25 were shut and 2 half shut.
SHUT_SHARE, OPEN_QUANTILE = 0.5, 0.9


def eye_opening(vertices: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return the eye aspect ratio of both eyes: the mean distance of the lids over the distance of the corners.

    It is measured in space, so that a head that turns does not open its eyes. A narrow slit counts as shut.
    Source: Soukupova and Cech, "Real-time eye blink detection using facial landmarks", CVWW 2016, eq. 1.

    Args:
        vertices: (N, 478, 3).

    Returns:
        (N, 2) float32, the subject's right eye first; about 0.3 open and below 0.1 shut.
    """
    lids = np.array(LIDS)
    apart = np.linalg.norm(vertices[:, lids[..., 0]] - vertices[:, lids[..., 1]], axis=-1).mean(-1)
    return np.asarray(apart / _widths(vertices), np.float32)


def gaze(vertices: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return where the irises stand in their eyes.

    The middle of the iris less the middle of the corners, in widths of the eye. It tells directions apart; it is no
    angle, because the eyeball's radius and the person's straight gaze are not known.

    Args:
        vertices: (N, 478, 3).

    Returns:
        (N, 2, 2) float32, the subject's right eye first: towards the subject's left, and down the face.
    """
    corners = vertices[:, np.array(CORNERS)]
    across = corners[:, :, 1] - corners[:, :, 0]
    across = across / np.linalg.norm(across, axis=-1, keepdims=True)
    down = (vertices[:, CHIN] - vertices[:, FOREHEAD])[:, None]
    down = down - (down * across).sum(-1, keepdims=True) * across
    down = down / np.linalg.norm(down, axis=-1, keepdims=True)
    irises = np.stack([vertices[:, iris.start] for iris in IRISES], axis=1)
    offset = irises - corners.mean(2)
    shares = np.stack([(offset * across).sum(-1), (offset * down).sum(-1)], axis=-1)
    return np.asarray(shares / _widths(vertices)[..., None], np.float32)


def shut_below(opening: npt.NDArray[np.floating]) -> float:
    """Return the mean opening of both eyes below which a person's lids are shut; (N, 2) of a clip."""
    return float(SHUT_SHARE * np.quantile(opening.mean(1), OPEN_QUANTILE))


def blinks(opening: npt.NDArray[np.floating], measured: BoolArray) -> list[slice]:
    """Return the frames of each blink, in order.

    Args:
        opening: (N, 2), of `eye_opening`.
        measured: (N,) frames whose eyes were seen; the others end a blink.
    """
    shut = measured & (opening.mean(1) < shut_below(opening))
    return [slice(begin, end) for begin, end in stretches_of(np.asarray(shut))]


def _widths(vertices: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the distance of the corners of both eyes, (N, 478, 3) to (N, 2)."""
    corners = vertices[:, np.array(CORNERS)]
    return np.asarray(np.linalg.norm(corners[:, :, 1] - corners[:, :, 0], axis=-1))
