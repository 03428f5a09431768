"""Gathers what the preview of a clip shows, and writes it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import simplejpeg

from talkmill.arrays import Frame
from talkmill.fitting.report import FrameReport
from talkmill.geometry.shrink import resized
from talkmill.preview.clip import Eyes, PreviewedClip, moments
from talkmill.preview.sheet import TILE, Column, CropPlace, Verdict, preview_sheet
from talkmill.stages.contract import StageContext
from talkmill.stages.fine_fit.messages import FineFitInputs
from talkmill.stages.records import ClipFaceMesh, ClipLandmarks, CropGeometry
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_at
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import read_images_at

JPEG_QUALITY = 90


def write_preview(
    path: Path,
    inputs: FineFitInputs,
    context: StageContext,
    landmarks: ClipLandmarks,
    frames: FrameReport,
    judgement: tuple[str, tuple[str, ...]],
    draw_head: Callable[[int, Frame], Frame],
) -> None:
    """Write the preview of a clip.

    Args:
        path: The .jpg.
        inputs: Of the stage.
        context: Of the stage.
        landmarks: Of the clip.
        frames: How the head fits them.
        judgement: `good` or `doubtful`, and why.
        draw_head: Number of a frame and its crop at any size to the crop with the fitted head.
    """
    mesh = None if inputs.face_mesh is None else ClipFaceMesh.load(context.path(inputs.face_mesh))
    clip = PreviewedClip(
        float(Fraction(inputs.rate)),
        landmarks.points,
        landmarks.confidence,
        landmarks.valid,
        frames.valid,
        frames.inner_error,
        None if mesh is None else Eyes(mesh.mesh[..., :2], mesh.eye_opening),
    )
    shown = moments(clip)
    indices = [moment.frame for moment in shown]
    table = FrameTable.load(context.path(inputs.frame_table))
    crops = read_images_at(context.path(inputs.frames), indices)
    heads = [draw_head(frame, resized(crop, TILE, TILE)) for frame, crop in zip(indices, crops, strict=True)]
    sources = list(read_clip(context.path(inputs.video), table, indices=indices))
    alphas = read_grey_at(context.path(inputs.alpha), indices)
    geometry = CropGeometry.load(context.path(inputs.geometry))
    sheet = preview_sheet(
        clip,
        Verdict(judgement[0], _facts(clip, frames), judgement[1]),
        CropPlace(inputs.region, geometry.image_from_crop, inputs.size, inputs.background_color),
        [Column(*one) for one in zip(shown, sources, alphas, crops, heads, strict=True)],
    )
    path.write_bytes(simplejpeg.encode_jpeg(sheet, JPEG_QUALITY, "RGB", "444"))


def _facts(clip: PreviewedClip, frames: FrameReport) -> tuple[str, ...]:
    facts = [
        f"{len(clip)} frame{'s' if len(clip) != 1 else ''}, {len(clip) / clip.rate:.1f} s",
        f"{clip.valid.mean():.1%} valid",
        f"the head misses the inner landmarks by {frames.rms(inner=True):.1f} pixels at 512",
    ]
    if clip.eyes is not None:
        opening, count = clip.eyes.opening[clip.measured].mean(1), len(clip.blinks)
        facts.append(f"{count} blink{'s' if count != 1 else ''}")
        facts.append(f"eyes open {float(np.median(opening)):.2f}, least {float(opening.min()):.2f}")
    return tuple(facts)
