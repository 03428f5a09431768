"""The default matting recipe: selfie segmentation x salient object, a head rescue, smoothing in time, colour filters.

Neither network is safe alone: the selfie net keeps tables and flags, the salient-object net now and then loses half a
head. Their product is. The recipe was chosen on 30 clips against RVM; the figures are in docs/stages/matting.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.pyramid import Pyramid
from talkmill.inference.backend import Network
from talkmill.matting.black_bars import BlackBars
from talkmill.matting.grid import Grid
from talkmill.matting.guided_filter import fit_guided_filter, in_unit_range
from talkmill.matting.salient import SalientObject
from talkmill.matting.selfie import SelfieMap, SelfiePyramid, mean_map
from talkmill.matting.temporal import Matte, smoothed_over_time
from talkmill.region import Region

# The view is the crop and this share of its longer side around it, at the size where the face has so many pixels.
VIEW_MARGIN, VIEW_FACE_SIDE = 0.15, 128.0
# The rescue begins where the selfie net is surer than this. Of 0.5 and 0.7 the second flickers less at dark hair.
RESCUE_SURE = 0.7
# Semi-axes of its ellipse and how far below the face's centre it lies, in face widths and heights: head and shoulders.
RESCUE_AXES, RESCUE_BELOW = (2.0, 1.4), 0.2
# It is whole up to RESCUE_EDGE inside this radius, in semi-axes, and nothing from it on.
RESCUE_RADIUS, RESCUE_EDGE = 1.15, 0.3
# Radius and regularisation of the two guided filters, and the levels that follow each.
COARSE_FILTER, FINE_FILTER = (6, 1e-3), (3, 1e-4)
LEVELS = (0.15, 0.85)
# Beyond the crop alpha is made at this long side of the frame, and not refined.
WHOLE_FRAME_SIDE = 640


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is kept of a frame until its matte is smoothed.

    Attributes:
        picture: The region that alpha is wanted for, RGB uint8.
        view: Where in the frame the view lies.
        frame_size: Width and height.
        between_bars: The part of the frame between black bars.
        beyond: Alpha of the whole frame at a small size; None where the crop alone is wanted.
    """

    picture: Frame
    view: Grid
    frame_size: tuple[int, int]
    between_bars: Region
    beyond: Float32Array | None


class FusionMatter:
    """Mattes one clip."""

    def __init__(self, selfie: Network, salient: Network | None) -> None:
        """Create a matter.

        Args:
            selfie: selfie-256.
            salient: u2netp; None for the draft mode, which trusts the selfie net alone.
        """
        self._selfie = SelfiePyramid(selfie)
        self._salient = None if salient is None else SalientObject(salient)

    def mattes(
        self, frames: Iterable[Frame], face_boxes: Float32Array, crop: Region, region: Region
    ) -> Iterator[tuple[Frame, Float32Array]]:
        """Matte a clip; see `matter.Matter`. Four frames and the regions of twelve are held back."""
        inside = Region(crop.x - region.x, crop.y - region.y, crop.width, crop.height).slices
        for matte in smoothed_over_time(self._raw(frames, face_boxes, crop, region)):
            seen, guide = matte.held, matte.picture
            coarse = levels(fit_guided_filter(guide, matte.alpha, *COARSE_FILTER).at(guide))
            model = fit_guided_filter(guide, coarse, *FINE_FILTER)
            alpha = levels(model.in_part(seen.picture[inside], crop, seen.view))
            if seen.beyond is not None:
                whole = np.asarray(cv2.resize(seen.beyond, seen.frame_size, interpolation=cv2.INTER_LINEAR), np.float32)
                whole[crop.slices] = alpha
                alpha = whole[region.slices]
            yield seen.picture, _without_bars(alpha, region, seen.between_bars)

    def _raw(
        self, frames: Iterable[Frame], face_boxes: Float32Array, crop: Region, region: Region
    ) -> Iterator[Matte[_Seen]]:
        """Yield what the networks say of each frame in the view."""
        pyramids = map(Pyramid, frames)
        pairs: Iterable[tuple[Pyramid, Float32Array | None]] = (
            ((pyramid, None) for pyramid in pyramids)
            if self._salient is None
            else self._salient.maps(pyramids, len(face_boxes))
        )
        ratio = min(1.0, VIEW_FACE_SIDE / float(np.median(mean_sides(face_boxes))))
        bars = BlackBars(face_boxes)
        for (pyramid, salient), face_box in zip(pairs, face_boxes, strict=True):
            frame = pyramid.frame
            height, width = frame.shape[:2]
            view = Grid.at_ratio(_around(crop, width, height), ratio)
            selfie_maps = self._selfie.maps(pyramid, face_box)
            beyond = None if region == crop else _beyond(selfie_maps, salient, (width, height))
            # A copy lets go of the frame.
            picture = np.ascontiguousarray(frame[region.slices])
            seen = _Seen(picture, view, (width, height), bars.picture(frame), beyond)
            raw = _said_by_networks(selfie_maps, salient, view, (width, height), face_box)
            yield Matte(seen, raw, in_unit_range(view.picture(frame)))


def levels(alpha: Float32Array) -> Float32Array:
    """Stretch what lies between the levels to [0, 1], in place."""
    alpha -= np.float32(LEVELS[0])
    alpha *= np.float32(1 / (LEVELS[1] - LEVELS[0]))
    return np.clip(alpha, 0, 1, out=alpha)


def rescue_head(raw: Float32Array, selfie: Float32Array, face_box: Float32Array) -> Float32Array:
    """Keep what the selfie net is sure of in head and shoulders: the salient object now and then loses half of them.

    Args:
        raw: The matte so far, (h, w) float32.
        selfie: (h, w) float32.
        face_box: (4,) x0, y0, x1, y1 in their pixels.

    Returns:
        (h, w) float32.
    """
    height, width = raw.shape
    centre_x, centre_y = (face_box[:2] + face_box[2:]) / 2
    face_width, face_height = face_box[2:] - face_box[:2]
    below = centre_y + RESCUE_BELOW * face_height
    rows = (np.arange(height, dtype=np.float32) - below) / (RESCUE_AXES[1] * face_height)
    columns = (np.arange(width, dtype=np.float32) - centre_x) / (RESCUE_AXES[0] * face_width)
    radius = np.sqrt(rows[:, None] ** 2 + columns[None] ** 2)
    ellipse = np.clip((RESCUE_RADIUS - radius) / RESCUE_EDGE, 0, 1)
    sure = np.clip((selfie - RESCUE_SURE) / (1 - RESCUE_SURE), 0, 1)
    return np.asarray(np.maximum(raw, ellipse * sure), np.float32)


def _around(crop: Region, width: int, height: int) -> Region:
    margin = round(VIEW_MARGIN * max(crop.width, crop.height))
    x1, y1 = crop.x + crop.width + margin, crop.y + crop.height + margin
    return Region.inside(crop.x - margin, crop.y - margin, x1, y1, width, height)


def _said_by_networks(
    selfie_maps: list[SelfieMap],
    salient_map: Float32Array | None,
    view: Grid,
    frame_size: tuple[int, int],
    face_box: Float32Array,
) -> Float32Array:
    """Return what the networks say in the view."""
    selfie = mean_map(selfie_maps, view)
    if salient_map is None:
        return selfie
    salient = _salient_on(view, salient_map, frame_size)
    corner = np.array([view.part.x, view.part.y] * 2, np.float32)
    scale = np.array([view.width / view.part.width, view.height / view.part.height] * 2, np.float32)
    return rescue_head(np.sqrt(salient * selfie), selfie, (face_box - corner) * scale)


def _salient_on(grid: Grid, salient_map: Float32Array, frame_size: tuple[int, int]) -> Float32Array:
    height, width = salient_map.shape
    whole = Grid(Region(0, 0, *frame_size), width, height)
    return grid.sampled(salient_map, whole.frame_from_grid)


def _beyond(
    selfie_maps: list[SelfieMap], salient_map: Float32Array | None, frame_size: tuple[int, int]
) -> Float32Array:
    """Return alpha of the whole frame, not refined, (h, w) float32, at a small size."""
    grid = Grid.at_ratio(Region(0, 0, *frame_size), min(1.0, WHOLE_FRAME_SIDE / max(frame_size)))
    alpha = mean_map(selfie_maps, grid)
    if salient_map is not None:
        alpha = np.sqrt(alpha * _salient_on(grid, salient_map, frame_size))
    return levels(alpha)


def _without_bars(alpha: Float32Array, region: Region, picture: Region) -> Float32Array:
    """Clear alpha of a region of the frame where it lies outside of the picture, in place."""
    x0, y0 = max(0, picture.x - region.x), max(0, picture.y - region.y)
    alpha[:y0], alpha[:, :x0] = 0, 0
    alpha[max(0, picture.y + picture.height - region.y) :] = 0
    alpha[:, max(0, picture.x + picture.width - region.x) :] = 0
    return alpha
