"""The crop stage over a made-up clip, matte and face track."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkmill.arrays import Frame
from talkmill.faces.crop_box import CropBox
from talkmill.region import Region
from talkmill.stages.crop.messages import CropInputs, CropOutputs, CropParameters
from talkmill.stages.crop.stage import CropStage, _sharpness_ratio
from talkmill.stages.harness import StageHarness
from talkmill.stages.records import CropGeometry, FaceTrack
from talkmill.video.clip import read_clip
from talkmill.video.encode import alpha_writer
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import read_images
from tests.media import whole_table

HEIGHT, WIDTH, COUNT = 180, 320, 6
GREY = (np.full((HEIGHT, WIDTH, 3), 120, np.uint8),) * COUNT
MIDDLE = (110, 50, 190, 130)


class Cropped:
    """What the crop stage made of a clip, and the clip."""

    def __init__(self, harness: StageHarness, outputs: CropOutputs, video: Path, table: FrameTable) -> None:
        self.outputs, self.measurements = outputs, outputs.measurements
        self.images = list(read_images(harness.store.fetch(outputs.frames)))
        self.geometry = CropGeometry.load(harness.store.fetch(outputs.geometry))
        self.frames = list(read_clip(video, table))


def crop(
    folder: Path,
    make_video: Callable[..., Path],
    box: tuple[int, int, int, int],
    alpha: int | None = 255,
    frames: Sequence[Frame] = GREY,
) -> Cropped:
    """Crop frames around one face; alpha is the same everywhere, or there is no matte."""
    harness = StageHarness(folder)
    FaceTrack(
        boxes=np.tile(np.array(box, np.float32), (COUNT, 1)),
        scores=np.ones(COUNT, np.float32),
    ).save(folder / "track.npz")
    video, matte = make_video("clip.mp4", frames), None
    whole_table(video).save(folder / "table.npz")
    if alpha is not None:
        with alpha_writer(folder / "alpha.mkv", Fraction(25)) as writer:
            for _ in range(COUNT):
                writer.write(np.full((HEIGHT, WIDTH), alpha, np.uint8))
        matte = harness.put(folder / "alpha.mkv", "video/x-matroska")
    inputs = CropInputs(
        harness.put(video, "video/mp4"),
        harness.put(folder / "table.npz", "application/x-npz"),
        harness.put(folder / "track.npz", "application/x-npz"),
        "25",
        CropParameters(128, image_format="png"),
        alpha=matte,
        region=None if matte is None else Region(0, 0, WIDTH, HEIGHT),
    )
    paths = [harness.store.fetch(one) for one in (inputs.video, inputs.frame_table)]
    return Cropped(harness, harness.run(CropStage(), inputs).outputs, paths[0], FrameTable.load(paths[1]))


def test_a_head_at_the_border_moves_the_square_into_the_frame(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    cropped = crop(tmp_path, make_video, (100, 80, 180, 180))
    # 100 rows and a fifth on each side; the 20 rows below the frame are taken above.
    assert [cropped.measurements[name] for name in ("crop_x0", "crop_y0", "crop_side")] == [70, 40, 140]
    assert cropped.measurements["moved_pixels"] == 20
    assert cropped.measurements["shrunk_fraction"] == 0
    assert cropped.measurements["padded_fraction"] == 0
    scale = 128 / 140
    assert cropped.geometry.face_boxes[0] == pytest.approx(np.array([30, 40, 110, 140]) * scale, abs=scale)


def test_a_close_up_takes_the_height_of_the_frame(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    cropped = crop(tmp_path, make_video, (100, 10, 220, 170))
    assert [cropped.measurements[name] for name in ("crop_y0", "crop_side", "padded_fraction")] == [0, 180, 0]
    assert cropped.measurements["shrunk_fraction"] == pytest.approx(1 - 180 / 224, abs=1e-4)


def test_what_the_frame_does_not_have_is_padded_and_noted(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    cropped = crop(tmp_path, make_video, (20, 40, 300, 140))
    assert cropped.measurements["padded_fraction"] > 0.4
    assert "lies outside the frame" in cropped.outputs.notes[0]


def test_a_small_source_is_noted(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    assert crop(tmp_path, make_video, (150, 80, 180, 110)).outputs.notes == (
        "the face is enlarged 3.0 times: the source is small",
    )


def pictures() -> list[Frame]:
    """Frames that differ from each other and from place to place."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (COUNT, HEIGHT // 20, WIDTH // 20, 3), np.uint8)
    return [cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) for one in small]


def test_without_a_matte_the_square_shows_the_clips_own_background(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    for name in ("without", "nobody"):
        (tmp_path / name).mkdir()
    without = crop(tmp_path / "without", make_video, MIDDLE, None, pictures())
    nobody = crop(tmp_path / "nobody", make_video, MIDDLE, 0, pictures())
    x, y, side = (without.measurements[name] for name in ("crop_x0", "crop_y0", "crop_side"))
    assert [x, y, side] == [nobody.measurements[name] for name in ("crop_x0", "crop_y0", "crop_side")]
    assert side < 128, "it is enlarged"
    for image, frame in zip(without.images, without.frames, strict=True):
        square = frame[y : y + side, x : x + side]
        assert (image == cv2.resize(square, (128, 128), interpolation=cv2.INTER_CUBIC)).all()
    assert all((image == 255).all() for image in nobody.images)
    assert (without.geometry.image_from_crop == nobody.geometry.image_from_crop).all()
    assert without.measurements["sharpness_ratio"] is None


def test_without_a_matte_what_lies_outside_the_frame_is_padded(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    cropped = crop(tmp_path, make_video, (20, 40, 300, 140), None)
    assert cropped.measurements["padded_fraction"] > 0.4
    assert (cropped.images[0][0] == 255).all(), "above the frame"
    assert cropped.images[0][64] == pytest.approx(120, abs=2)


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


def test_a_face_beside_the_square_has_no_sharpness() -> None:
    """A detector may place a face elsewhere in single frames; the square is that of the others."""
    picture = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    square = CropBox(500, 500, 100)
    for beside in ([700, 500, 760, 560], [300, 300, 380, 380], [500, 900, 560, 960], [500, 500, 500.5, 500.5]):
        assert _sharpness_ratio(picture, picture, np.array(beside, np.float32), square) is None
    inside = np.array([480, 490, 560, 570], np.float32)
    assert _sharpness_ratio(picture, picture, inside, square) == pytest.approx(1)
