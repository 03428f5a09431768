"""The default recipe on real clips."""

from pathlib import Path

import numpy as np
import pytest

from talkmill.faces.crop_box import head_region, square_in_frame
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.inference.runtime import cpu_runtime
from talkmill.matting import salient
from talkmill.matting.fusion import FusionMatter
from talkmill.models.repository import ModelRepository
from talkmill.region import Region
from talkmill.stages.matting.stage import seen_region
from talkmill.video.decode import read_video

FRAME_COUNT = 9


@pytest.fixture(scope="module")
def matter(models: ModelRepository) -> FusionMatter:
    paths = [models.ensure(name, "matting_part").path for name in ("selfie-256", "u2netp")]
    return FusionMatter(*(cpu_runtime(2).load(path, path.stem) for path in paths))


@pytest.fixture(scope="module")
def detector(models: ModelRepository) -> FaceBoxesDetector:
    return FaceBoxesDetector(cpu_runtime(2).load(models.ensure("faceboxes-v2", "face_detection").path, "faceboxes-v2"))


def clip(path: Path, detector: FaceBoxesDetector) -> tuple[list[np.ndarray], np.ndarray, Region]:
    """The first frames, their face boxes, and what the crop shows of them."""
    frames = [frame for frame, _ in zip(read_video(path), range(FRAME_COUNT), strict=False)]
    boxes = np.stack([detector.detect(frame).boxes[0] for frame in frames])
    height, width = frames[0].shape[:2]
    return frames, boxes, seen_region(square_in_frame(head_region(boxes, 0.2), width, height), width, height)


@pytest.mark.slow
def test_the_salient_net_on_every_fourth_frame_is_enough(
    matter: FusionMatter, detector: FaceBoxesDetector, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A head that turns.
    frames, boxes, crop = clip(assets / "videos/3ddfa_obama.mp4", detector)
    mattes = {}
    for interval in (4, 1):
        monkeypatch.setattr(salient, "KEY_INTERVAL", interval)
        mattes[interval] = np.stack([alpha for _, alpha in matter.mattes(frames, boxes, crop, crop)])
    moved = np.abs(mattes[4] - mattes[1]).mean((1, 2))
    # The worst clip and the worst frame of 30 clips (docs/decisions/0064-matting-recipe.md).
    assert moved.mean() < 0.0029
    assert moved.max() < 0.0073


def test_flag_and_tree_go_and_the_torso_stays(matter: FusionMatter, detector: FaceBoxesDetector, assets: Path) -> None:
    frames, boxes, crop = clip(assets / "videos/otavatar_example.mp4", detector)
    whole = Region(0, 0, 1920, 1080)
    *_, (_, alpha) = matter.mattes(frames[:5], boxes[:5], crop, whole)
    assert alpha[480:1060, 200:560].mean() < 0.05
    assert alpha[100:1000, 1600:1900].mean() < 0.05
    assert alpha[420:700, 850:1150].mean() > 0.97
