"""The crop stage over a made-up clip, matte and face track."""

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from talkmill.region import Region
from talkmill.stages.crop.messages import CropInputs, CropOutputs
from talkmill.stages.crop.stage import CropStage
from talkmill.stages.harness import StageHarness
from talkmill.stages.records import CropGeometry, FaceTrack
from talkmill.video.encode import alpha_writer
from tests.media import whole_table

HEIGHT, WIDTH, COUNT = 180, 320, 6


def crop(
    folder: Path, make_video: Callable[..., Path], box: tuple[int, int, int, int]
) -> tuple[CropOutputs, CropGeometry]:
    """Crop grey frames whose person is everything, around one face."""
    harness = StageHarness(folder)
    frames = [np.full((HEIGHT, WIDTH, 3), 120, np.uint8)] * COUNT
    with alpha_writer(folder / "alpha.mkv", Fraction(25)) as writer:
        for _ in range(COUNT):
            writer.write(np.full((HEIGHT, WIDTH), 255, np.uint8))
    FaceTrack(
        boxes=np.tile(np.array(box, np.float32), (COUNT, 1)),
        scores=np.ones(COUNT, np.float32),
    ).save(folder / "track.npz")
    video = make_video("clip.mp4", frames)
    whole_table(video).save(folder / "table.npz")
    inputs = CropInputs(
        harness.put(video, "video/mp4"),
        harness.put(folder / "table.npz", "application/x-npz"),
        harness.put(folder / "alpha.mkv", "video/x-matroska"),
        Region(0, 0, WIDTH, HEIGHT),
        harness.put(folder / "track.npz", "application/x-npz"),
        "25",
    )
    outputs = harness.run(CropStage(), inputs).outputs
    return outputs, CropGeometry.load(harness.store.fetch(outputs.geometry))


def test_a_head_at_the_border_moves_the_square_into_the_frame(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    outputs, geometry = crop(tmp_path, make_video, (100, 80, 180, 180))
    # 100 rows and a fifth on each side; the 20 rows below the frame are taken above.
    assert [outputs.measurements[name] for name in ("crop_x0", "crop_y0", "crop_side")] == [70, 40, 140]
    assert outputs.measurements["moved_pixels"] == 20
    assert outputs.measurements["shrunk_fraction"] == 0
    assert outputs.measurements["padded_fraction"] == 0
    assert outputs.notes == ("the face is enlarged 3.7 times: the source is small",)
    scale = 512 / 140
    assert geometry.face_boxes[0] == pytest.approx(np.array([30, 40, 110, 140]) * scale, abs=scale)


def test_a_close_up_takes_the_height_of_the_frame(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    outputs, _ = crop(tmp_path, make_video, (100, 10, 220, 170))
    assert [outputs.measurements[name] for name in ("crop_y0", "crop_side", "padded_fraction")] == [0, 180, 0]
    assert outputs.measurements["shrunk_fraction"] == pytest.approx(1 - 180 / 224, abs=1e-4)


def test_what_the_frame_does_not_have_is_padded_and_noted(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    outputs, _ = crop(tmp_path, make_video, (20, 40, 300, 140))
    assert outputs.measurements["padded_fraction"] > 0.4
    assert "lies outside the frame" in outputs.notes[0]


def test_the_foreground_is_estimated_without_the_rest_of_pymatting(tmp_path: Path) -> None:
    """A new install, twice: the package would compile all that it can do, and its cache would load it again."""
    script = (
        "import sys; import numpy as np; from talkmill.matting.foreground import foreground_at\n"
        "at = np.array([1])\n"
        "foreground_at(np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 9, np.uint8), at, at)\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'pymatting'])"
    )
    for _ in range(2):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
        )
        assert done.stdout == "[]\n"
