"""The default matting recipe: salient object x selfie segmentation, a head rescue, a guided filter, gated smoothing.

Neither network is safe alone: the selfie net keeps tables and flags, the salient-object net now and then loses half a
head. Their product is. The figures are in docs/stages/matting.md.
"""

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.boxes import mean_sides
from talkmill.inference.backend import Network
from talkmill.matting.guided_filter import fit_guided_filter, grey
from talkmill.matting.temporal import MotionGate
from talkmill.region import Region

# The constants below were chosen on real clips against RVM as a yardstick; docs/stages/matting.md has the measurements.
# Squares for the selfie net, in face sides (geometric mean), and where in them the face centre lies, from the top.
SELFIE_SCALES = (6.0, 4.5, 3.2)
# The weight of a square grows from nothing at its border to whole at this share of its side inside. Chosen by eye: half
# and twice of it move the matte by at most 0.003 in a clip's mean (13 clips, 5 frames each).
FEATHER = 0.12
FACE_CENTRE_FROM_TOP = 0.42
FULL_FRAME_WEIGHT = 0.05
SELFIE_SIDE, SALIENT_SIDE = 256, 320
# ImageNet statistics, RGB (U2-Net, data_loader.py).
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
# clip(gain * selfie - bias, 0, 1) gates the salient object.
SELFIE_GAIN, SELFIE_BIAS = 4.0, 0.2
# The head rescue starts where this share of the head is missing, and is whole this much later.
RESCUE_START, RESCUE_RANGE = 0.03, 0.05
# Semi-axes of its ellipse and how far below the face's centre it lies, in face widths and heights: head and shoulders.
RESCUE_AXES, RESCUE_BELOW = (2.0, 1.4), 0.2
# The rescue is whole up to RESCUE_EDGE inside this radius, in semi-axes, and nothing from it on. Chosen by eye: an edge
# a third or twice as wide about the same middle moves the matte by at most 0.005 in a clip's mean, a radius that is
# 0.15 larger or smaller by 0.019 (the same clips; 21 of the 65 frames are rescued).
RESCUE_RADIUS, RESCUE_EDGE = 1.15, 0.3
# The salient net is spared every other frame where less than this share of the picture changed by so many 8-bit levels
# in the mean of a window: over ten clips that moves the matte by at most 0.0007 in a clip's mean, 0.0022 in a frame.
REUSE_SHARE, REUSE_LEVELS, REUSE_WINDOW = 0.01, 15, (9, 9)
WORKING_SIDE = 640
FILTER_RADIUS, FILTER_EPSILON = 6, 1e-3
LEVELS = (0.15, 0.85)
# A second pass where the face has this many pixels sharpens hair, ears and shoulders.
FINE_FACE_SIDE = 128.0
FINE_RADIUS, FINE_EPSILON = 3, 1e-4


class FusionMatter:
    """Mattes one clip, in order."""

    def __init__(self, selfie: Network, salient: Network | None) -> None:
        """Create a matter.

        Args:
            selfie: selfie-256.
            salient: u2netp; None for the draft mode, which trusts the selfie net alone.
        """
        self._selfie = selfie
        self._salient = salient
        self._gate = MotionGate()
        self._seen: tuple[Frame, Float32Array] | None = None
        self._reused = False

    def matte(self, frame: Frame, face_box: Float32Array, region: Region) -> Float32Array:
        """Matte the next frame; see `matter.Matter`."""
        height, width = frame.shape[:2]
        scale = min(1.0, WORKING_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        selfie = self._selfie_matte(frame, face_box, size)
        if self._salient is None:
            raw = selfie
        else:
            salient = cv2.resize(self._salient_matte(frame), size, interpolation=cv2.INTER_LINEAR)
            gated = salient * np.clip(SELFIE_GAIN * selfie - SELFIE_BIAS, 0, 1)
            raw = _rescue_head(gated, salient, selfie, face_box * scale)
        guide = grey(small)
        smoothed = self._gate.smooth(raw.astype(np.float32), guide)
        coarse = fit_guided_filter(guide, smoothed, FILTER_RADIUS, FILTER_EPSILON)
        if self._salient is None:
            return _levels(coarse.in_part(grey(frame[region.slices]), region, (width, height)))
        ratio = min(1.0, FINE_FACE_SIDE / float(mean_sides(face_box)))
        # The fine filter looks beyond what is wanted by its window and that of its means.
        reach = int(np.ceil(2 * (FINE_RADIUS + 1) / ratio))
        x1, y1 = region.x + region.width + reach, region.y + region.height + reach
        part = Region.inside(region.x - reach, region.y - reach, x1, y1, width, height)
        picture = frame[part.slices]
        fine_size = (max(1, round(part.width * ratio)), max(1, round(part.height * ratio)))
        # Above a half, two pixels make one: nothing to alias.
        interpolation = cv2.INTER_LINEAR if ratio >= 0.5 else cv2.INTER_AREA
        fine_guide = grey(np.asarray(cv2.resize(picture, fine_size, interpolation=interpolation)))
        fine_alpha = _levels(coarse.in_part(fine_guide, part, (width, height)))
        fine = fit_guided_filter(fine_guide, fine_alpha, FINE_RADIUS, FINE_EPSILON)
        inner = Region(region.x - part.x, region.y - part.y, region.width, region.height)
        return _levels(fine.at(grey(picture))[inner.slices])

    def _selfie_matte(self, frame: Frame, face_box: Float32Array, size: tuple[int, int]) -> Float32Array:
        """Average the selfie net over squares around the face, and a little over the whole frame."""
        width = frame.shape[1]
        scale = size[0] / width
        side = float(mean_sides(face_box))
        centre = (face_box[:2] + face_box[2:]) / 2
        full = self._run_selfie(cv2.resize(frame, (SELFIE_SIDE, SELFIE_SIDE), interpolation=cv2.INTER_AREA))
        total = FULL_FRAME_WEIGHT * cv2.resize(full, size, interpolation=cv2.INTER_LINEAR)
        weight = np.full((size[1], size[0]), FULL_FRAME_WEIGHT, np.float32)
        for factor in SELFIE_SCALES:
            square = side * factor
            x0, y0 = centre[0] - square / 2, centre[1] - square * FACE_CENTRE_FROM_TOP
            # centres at integers: crop pixel u lies at x0 + (u + 1/2) * square / SELFIE_SIDE - 1/2
            step = square / SELFIE_SIDE
            frame_from_crop = np.array([[step, 0, x0 + step / 2 - 0.5], [0, step, y0 + step / 2 - 0.5]], np.float32)
            crop = _sample_square(frame, frame_from_crop, step)
            values = self._run_selfie(crop)
            small_from_crop = frame_from_crop * np.float32(scale)
            small_from_crop[:, 2] += np.float32(scale / 2 - 0.5)
            total += cv2.warpAffine(values * _FEATHER, small_from_crop, size, flags=cv2.INTER_LINEAR)
            weight += cv2.warpAffine(_FEATHER, small_from_crop, size, flags=cv2.INTER_LINEAR)
        return np.asarray(total / weight, np.float32)

    def _run_selfie(self, image: Frame) -> Float32Array:
        blob = image[None].astype(np.float32) * np.float32(1 / 255)
        return self._selfie.run({self._selfie.input_names[0]: blob})[0][0, :, :, 0]

    def _salient_matte(self, frame: Frame) -> Float32Array:
        assert self._salient is not None  # noqa: S101 - only called with a salient net
        image = np.asarray(cv2.resize(frame, (SALIENT_SIDE, SALIENT_SIDE), interpolation=cv2.INTER_AREA))
        if self._seen is not None and not self._reused and _nearly_same(image, self._seen[0]):
            self._reused = True
            return self._seen[1]
        self._reused = False
        scaled = image.astype(np.float32) / max(1.0, float(image.max()))
        blob = ((scaled - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)[None].astype(np.float32)
        output: Float32Array = self._salient.run({self._salient.input_names[0]: blob})[0]
        self._seen = (image, np.asarray(output[0, 0], np.float32))
        return self._seen[1]


def _nearly_same(image: Frame, other: Frame) -> bool:
    """Say whether hardly anything moved between two frames at the salient net's size."""
    change = np.asarray(cv2.absdiff(image, other)).max(axis=2)
    blurred = np.asarray(cv2.blur(change, REUSE_WINDOW))
    return bool(np.count_nonzero(blurred >= REUSE_LEVELS) < REUSE_SHARE * blurred.size)


def _levels(alpha: Float32Array) -> Float32Array:
    """Stretch what lies between the levels to [0, 1], in place."""
    alpha -= np.float32(LEVELS[0])
    alpha *= np.float32(1 / (LEVELS[1] - LEVELS[0]))
    return np.clip(alpha, 0, 1, out=alpha)


def _feather(side: int) -> Float32Array:
    """A weight that falls to nothing at the border of a square."""
    ramp = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (side * FEATHER)
    ramp = np.clip(ramp, 0, 1).astype(np.float32)
    return np.outer(ramp, ramp) + np.float32(1e-4)


_FEATHER = _feather(SELFIE_SIDE)


def _sample_square(frame: Frame, frame_from_crop: Float32Array, step: float) -> Frame:
    """Sample a square; shrink the part of the frame first where it is larger than the crop, against aliasing."""
    if step > 1:
        corner = frame_from_crop[:, 2]
        x0, y0 = np.clip(np.floor(corner - step), 0, [frame.shape[1] - 1, frame.shape[0] - 1]).astype(int)
        x1, y1 = np.ceil(corner + step * (SELFIE_SIDE + 1)).astype(int)
        part = frame[y0 : max(y0 + 1, y1), x0 : max(x0 + 1, x1)]
        height, width = part.shape[:2]
        size = (max(1, round(width / step)), max(1, round(height / step)))
        frame = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
        ratios = np.array([[size[0] / width], [size[1] / height]], np.float32)
        shift = np.array([[x0], [y0]], np.float32)
        linear = frame_from_crop[:, :2] * ratios
        frame_from_crop = np.hstack([linear, (frame_from_crop[:, 2:] - shift + 0.5) * ratios - 0.5])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    side = (SELFIE_SIDE, SELFIE_SIDE)
    return np.asarray(cv2.warpAffine(frame, frame_from_crop, side, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _rescue_head(
    gated: Float32Array, salient: Float32Array, selfie: Float32Array, face_box: Float32Array
) -> Float32Array:
    """Trust the selfie net inside the head where the salient object misses part of it."""
    height, width = gated.shape
    centre_x, centre_y = (face_box[:2] + face_box[2:]) / 2
    face_width, face_height = face_box[2:] - face_box[:2]
    below = centre_y + RESCUE_BELOW * face_height
    rows = (np.arange(height, dtype=np.float32) - below) / (RESCUE_AXES[1] * face_height)
    columns = (np.arange(width, dtype=np.float32) - centre_x) / (RESCUE_AXES[0] * face_width)
    radius = np.sqrt(rows[:, None] ** 2 + columns[None] ** 2)
    ellipse = np.clip((RESCUE_RADIUS - radius) / RESCUE_EDGE, 0, 1)
    missing = float((ellipse * selfie * (1 - salient)).sum() / max(1e-6, float((ellipse * selfie).sum())))
    strength = float(np.clip((missing - RESCUE_START) / RESCUE_RANGE, 0, 1))
    blend = ellipse * np.float32(strength)
    result: Float32Array = (1 - blend) * gated + blend * np.maximum(selfie, gated)
    return result
