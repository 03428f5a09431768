"""Lays a preview out: the verdict, the openings over the clip, and a column for each frame that is shown."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.geometry.shrink import resized
from talkmill.geometry.transforms import Matrix
from talkmill.preview.canvas import BLUE, INK, ORANGE, PAPER, Canvas
from talkmill.preview.chart import opening_chart
from talkmill.preview.clip import Moment, PreviewedClip
from talkmill.preview.closeups import closeups_panel
from talkmill.preview.matte import EDGE_SCALE, cover_in_crop, edge_panel, matte_panel
from talkmill.region import Region

# Side of a picture, width of the captions beside a row, height of a line of words and of the chart, and what is left
# between columns; pixels.
TILE, MARGIN, LINE, CHART, GAP = 384, 34, 34, 130, 4
DOT_RADIUS = TILE / 150


@dataclass(frozen=True, slots=True)
class CropPlace:
    """Where the pictures of a clip come from.

    Attributes:
        region: Part of the source's frames that alpha is for.
        image_from_crop: (3, 3) pixels of the crop to pixels of the frame.
        size: Side of the crop in pixels.
        background_color: RGB behind the person in the crop.
    """

    region: Region
    image_from_crop: Matrix
    size: int
    background_color: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Column:
    """The pictures of one frame.

    Attributes:
        moment: The frame.
        source: Upright, RGB, (H, W, 3).
        alpha: Its matte in the region.
        crop: RGB, (size, size, 3).
        head: The crop at TILE x TILE with the fitted head over it.
    """

    moment: Moment
    source: Frame
    alpha: npt.NDArray[np.uint8]
    crop: Frame
    head: Frame


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a clip.

    Attributes:
        word: `good` or `doubtful`.
        facts: The numbers that matter.
        reasons: Why it is not good.
    """

    word: str
    facts: tuple[str, ...]
    reasons: tuple[str, ...] = ()


def preview_sheet(clip: PreviewedClip, verdict: Verdict, place: CropPlace, columns: list[Column]) -> Frame:
    """Return the preview of a clip, RGB uint8."""
    side = min(TILE // EDGE_SCALE, place.size)
    covers = [cover_in_crop(one.alpha, place.region, place.image_from_crop, place.size) for one in columns]
    behind = place.background_color
    rows = [
        ("", [_label(clip, one.moment) for one in columns]),
        (
            "source and matte",
            [
                matte_panel(one.source, one.alpha, place.region, place.image_from_crop, place.size, TILE)
                for one in columns
            ],
        ),
        ("crop: dot measured, cross not", [_points_panel(one.crop, clip, one.moment.frame) for one in columns]),
        ("eyes and mouth", [closeups_panel(one.crop, clip, one.moment.frame, TILE) for one in columns]),
        ("head of the fit", [one.head for one in columns]),
        (
            f"edge of the matte, {TILE / side:.0%}",
            [edge_panel(one.crop, cover, behind, side, TILE) for one, cover in zip(columns, covers, strict=True)],
        ),
    ]
    width = MARGIN + len(columns) * (TILE + GAP)
    chart = opening_chart(clip, [one.moment for one in columns], width, CHART)
    return np.concatenate([_head(verdict, width), chart, *(_row(*row) for row in rows)])


def _head(verdict: Verdict, width: int) -> Frame:
    canvas = Canvas.blank(width, LINE * (1 + len(verdict.reasons)) + 10)
    good = verdict.word == "good"
    words, chip, ink = verdict.word.upper(), BLUE if good else ORANGE, PAPER if good else INK
    end = Canvas.blank(width, LINE).write(words, 12, 28, 20)
    canvas.fill(0, 0, end + 12, LINE + 4, chip)
    canvas.write(words, 12, 28, 20, ink)
    canvas.write(" | ".join(verdict.facts), end + 28, 28, 19)
    for row, reason in enumerate(verdict.reasons, 1):
        canvas.write(reason, 12, row * LINE + 28, 16)
    return canvas.image


def _label(clip: PreviewedClip, moment: Moment) -> Frame:
    canvas = Canvas.blank(TILE, LINE)
    words = f"frame {moment.frame}, {moment.frame / clip.rate:.2f} s"
    notes = [moment.why, "not valid" if clip.measured[moment.frame] and not clip.valid[moment.frame] else ""]
    line = ": ".join([words, *(note for note in notes if note)])
    canvas.write(line, 2, 25, Canvas.fitting(line, 16, TILE - 4))
    return canvas.image


def _points_panel(crop: Frame, clip: PreviewedClip, frame: int) -> Frame:
    canvas = Canvas(resized(crop, TILE, TILE))
    scale = TILE / len(crop)
    points, trusted = (clip.points[frame] + 0.5) * scale - 0.5, clip.trusted[frame]
    canvas.dots(points[trusted], DOT_RADIUS)
    canvas.crosses(points[~trusted], DOT_RADIUS)
    return canvas.image


def _row(caption: str, panels: list[Frame]) -> Frame:
    """Join panels of one height, with a caption that is read from below."""
    height = len(panels[0])
    canvas = Canvas.blank(MARGIN + len(panels) * (TILE + GAP), height + GAP)
    words = Canvas.blank(height, MARGIN)
    words.write(caption, 4, 24, 14)
    canvas.paste(np.asarray(cv2.rotate(words.image, cv2.ROTATE_90_COUNTERCLOCKWISE)), 0, 0)
    for column, panel in enumerate(panels):
        canvas.paste(panel, MARGIN + column * (TILE + GAP), 0)
    return canvas.image
