"""Which pixel of a square is head, neck, torso or background, without a network: landmarks, fitted head and matte.

Above the lower edge of the face is head, the fitted head's neck below it is neck, what else the matte holds is torso.
Hair that hangs below the corners of the jaw counts as torso: a lower edge beside the neck would cut raised shoulders.
"""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import BoolArray, Float32Array, Float64Array, Frame
from talkmill.fitting.rasteriser import FAR, depth_maps
from talkmill.landmarks.points import CONTOUR

# RGB. OpenCV reads them as BGR: 255, 0, 0 is the head there.
# Source: data_utils/face_parsing/test.py of all trainers; the mouth: Fictionarry/TalkingGaussian 9bd34f7.
BACKGROUND, HEAD, NECK, TORSO, MOUTH = (255, 255, 255), (0, 0, 255), (0, 255, 0), (255, 0, 0), (100, 100, 100)
COLOURS = (BACKGROUND, HEAD, NECK, TORSO, MOUTH)
# A pixel that is half covered belongs to the person.
HALF = 128
# Of a picture 512 pixels high. A matte has holes of some pixels in knitted cloth, and specks beside hair; they flicker.
LEAST_PIXELS = 30
# The jaw from corner to corner, and the inner lips, among the 68 points.
JAW, INNER_LIPS = slice(4, 13), slice(60, 68)
# SyncTalk widens the face below the chin by so many pixels of 512, and blurs its edge with a kernel of this side.
CHIN_PAD, FACE_KERNEL = 5, 9
# The neck reaches so many pixels of 512 beyond that of the fitted head. Chosen by eye: a narrow neck leaves slivers.
NECK_PAD = 6
# Corners are drawn to 1/16 of a pixel.
SUBPIXEL_BITS = 4


def person_mask(alpha: npt.NDArray[np.uint8], points: Float64Array) -> BoolArray:
    """Return which pixels show the person: half covered by the matte, or inside the face, where a matte may have holes.

    Holes and specks of fewer pixels than `LEAST_PIXELS` are closed and taken away.

    Args:
        alpha: (S, S).
        points: (68, 2) pixels of the square, centres at integers.
    """
    face = _filled(cv2.convexHull(points.astype(np.float32))[:, 0], len(alpha))
    person = np.asarray((alpha >= HALF) | face)
    least = LEAST_PIXELS * (len(alpha) / 512) ** 2
    person = person | _specks(~person, least)
    return np.asarray(person & ~_specks(person, least))


def _specks(mask: BoolArray, least: float) -> BoolArray:
    """Return the pixels of a mask that hang together with fewer than some, (S, S)."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return np.asarray(mask & (stats[:, cv2.CC_STAT_AREA] < least)[labels])


def above_jaw(points: Float64Array, size: int) -> BoolArray:
    """Return which pixels lie above the lower edge of the face, (size, size).

    Between the corners of the jaw the edge is the jaw; beyond them it goes on along the line through both.
    """
    jaw = points[JAW]
    along = (jaw[-1] - jaw[0]) / np.linalg.norm(jaw[-1] - jaw[0])
    far = 2 * size
    up = far * np.array([along[1], -along[0]])
    left, right = jaw[0] - far * along, jaw[-1] + far * along
    return _filled(np.array([left + up, left, *jaw, right, right + up]), size)


def silhouette(vertices: Float64Array, triangles: npt.NDArray[np.int32], focal: float, size: int) -> BoolArray:
    """Return which pixels a fitted head covers, (size, size).

    Args:
        vertices: (V, 3) in the camera's frame, looking down -z; units of 10 cm.
        triangles: (T, 3).
        focal: In pixels of the square; the principal point is its centre.
        size: Side of the square.
    """
    corners: Float32Array = vertices.T[None].astype(np.float32)
    return np.asarray(depth_maps(corners, triangles, focal, (size - 1) / 2, size)[0] < FAR)


def parsing(person: BoolArray, head: BoolArray, points: Float64Array) -> Frame:
    """Return the picture of parts.

    Args:
        person: (S, S) of `person_mask`.
        head: (S, S) of `silhouette`.
        points: (68, 2) pixels of the square.

    Returns:
        (S, S, 3) uint8 RGB, of `COLOURS`.
    """
    size = len(person)
    pad = 2 * round(NECK_PAD * size / 512) + 1
    head = np.asarray(cv2.dilate(head.astype(np.uint8), np.ones((pad, pad), np.uint8)) > 0)
    above = above_jaw(points, size)
    parts = np.full((size, size, 3), BACKGROUND, np.uint8)
    parts[person] = TORSO
    parts[person & head] = NECK
    parts[person & above] = HEAD
    parts[_filled(points[INNER_LIPS], size) & person & above] = MOUTH
    return parts


def is_part(parts: Frame, *colours: tuple[int, int, int]) -> BoolArray:
    """Return which pixels have one of some colours, (H, W, 3) to (H, W)."""
    red, green, blue = np.moveaxis(parts, -1, 0)
    return np.asarray(np.any([(red == r) & (green == g) & (blue == b) for r, g, b in colours], axis=0))


def face_picture(outline: Float64Array, points: Float64Array, size: int) -> Frame:
    """Return SyncTalk's picture of the face without ears and hair: the head's colour on white, with a soft edge.

    Args:
        outline: (P, 2) points around the face with its forehead, pixels of the square.
        points: (68, 2) likewise.
        size: Side of the square.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    pad = np.array([0, CHIN_PAD * size / 512])
    around = np.concatenate([outline, points[CONTOUR], points[JAW] + pad]).astype(np.float32)
    face = np.full((size, size, 3), BACKGROUND, np.uint8)
    face[_filled(cv2.convexHull(around)[:, 0], size)] = HEAD
    return np.asarray(cv2.GaussianBlur(face, (FACE_KERNEL, FACE_KERNEL), 0))


def _filled(corners: npt.NDArray[np.floating], size: int) -> BoolArray:
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.rint(corners * 2**SUBPIXEL_BITS).astype(np.int32)], 255, shift=SUBPIXEL_BITS)
    return mask > 0
