"""Opening of the eyes and direction of the gaze, read off the face mesh."""

import numpy as np
import numpy.typing as npt

from talkmill.landmarks.mesh import IRISES

# Vertices of each eye, the subject's right one first: corner to its right, corner to its left, pairs of upper and
# lower lid. The pairs are those of the eye aspect ratio's six points.
CORNERS = ((33, 133), (362, 263))
LIDS = (((160, 144), (158, 153)), ((385, 380), (387, 373)))
FOREHEAD, CHIN = 10, 152


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


def _widths(vertices: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the distance of the corners of both eyes, (N, 478, 3) to (N, 2)."""
    corners = vertices[:, np.array(CORNERS)]
    return np.asarray(np.linalg.norm(corners[:, :, 1] - corners[:, :, 0], axis=-1))
