"""How a picture is meant to be seen: turned, mirrored, in square pixels, in its range, over white."""

import gc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from talkmill.region import Region
from talkmill.video.container import describe, open_video
from talkmill.video.decode import decode_pictures, read_video
from talkmill.video.picture import PictureFormat, RgbConverter, picture_format, turned
from tests.media import RATE, Recording, numbered, numbers_of, record

WIDTH, HEIGHT = 96, 64
# a, b, c, d of the display matrix: the pixel right of the centre is shown at (a, b) from it, the one below at (c, d).
TURNS: dict[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]] = {
    (1, 0, 0, 1): lambda image: image,
    (0, 1, -1, 0): lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    (-1, 0, 0, -1): lambda image: cv2.rotate(image, cv2.ROTATE_180),
    (0, -1, 1, 0): lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
    (-1, 0, 0, 1): lambda image: cv2.flip(image, 1),
    (1, 0, 0, -1): lambda image: cv2.flip(image, 0),
    (0, 1, 1, 0): cv2.transpose,
    (0, -1, -1, 0): lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
}


def drawn(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture that is like none of its turns."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :] = (np.arange(width) * 200 // width)[None, :, None]
    image[..., 1] = (np.arange(height) * 200 // height)[:, None]
    cv2.rectangle(image, (width // 8, height // 8), (width // 3, height // 4), (255, 40, 40), -1)
    cv2.circle(image, (3 * width // 4, height // 3), height // 6, (40, 40, 255), -1)
    return image


def with_matrix(path: Path, turn: tuple[int, int, int, int], scale: float = 1.0) -> Path:
    """Write a display matrix into the track header of an .mp4; its numbers are of 16.16 bits."""
    content = bytearray(path.read_bytes())
    one = (0x10000).to_bytes(4, "big")
    place = content.index(one + bytes(12) + one, content.index(b"tkhd"))
    a, b, c, d = (round(value * scale * 0x10000) & 0xFFFFFFFF for value in turn)
    content[place : place + 20] = b"".join(value.to_bytes(4, "big") for value in (a, b, 0, c, d))
    path.write_bytes(content)
    return path


def one_picture(path: Path, image: np.ndarray, **options: object) -> Path:
    with Recording(path, **options) as recording:
        for number in range(3):
            recording.picture(image, number / RATE)
    return path


@pytest.mark.parametrize("turn", TURNS)
def test_a_picture_is_shown_as_its_display_matrix_says(turn: tuple[int, int, int, int], tmp_path: Path) -> None:
    path = one_picture(tmp_path / "a.mp4", drawn())
    stored = next(read_video(path))
    with_matrix(path, turn)
    shown = next(read_video(path))
    assert np.array_equal(shown, TURNS[turn](stored))
    assert (describe(path).width, describe(path).height) == shown.shape[1::-1]
    # An alpha is turned like its picture.
    assert np.array_equal(turned(stored[..., 0], turn), shown[..., 0])


@pytest.mark.parametrize("turn", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_opencv_shows_it_the_same_way(turn: tuple[int, int, int, int], tmp_path: Path) -> None:
    path = with_matrix(one_picture(tmp_path / "a.mp4", drawn()), turn)
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found, frame = video.read()
    video.release()
    assert found
    ours = next(read_video(path))
    assert np.abs(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(int) - ours).mean() < 3


@pytest.mark.parametrize("turn", [(1, 0, 0, 1), (0, 1, -1, 0)])
def test_pictures_go_as_soon_as_nobody_holds_them(turn: tuple[int, int, int, int], tmp_path: Path) -> None:
    """Not when Python looks for objects that hold each other: by then it has decoded hundreds of megabytes."""
    path = record(tmp_path / "a.mp4", list(range(12)))
    if turn != (1, 0, 0, 1):
        with_matrix(path, turn)
    gc.collect()
    gc.disable()
    try:
        count = sum(1 for _ in decode_pictures(path, 0))
        # FFmpeg's pictures lie outside Python; their owners are what can be counted.
        left = sum(type(one) is av.VideoFrame for one in gc.get_objects())
    finally:
        gc.enable()
    assert count == 12
    # The first one's side data was asked for.
    assert left <= 1


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_matrix_that_scales_turns_all_the_same(scale: float, tmp_path: Path) -> None:
    path = one_picture(tmp_path / "a.mp4", drawn())
    stored = next(read_video(path))
    shown = next(read_video(with_matrix(path, (0, 1, -1, 0), scale)))
    assert np.array_equal(shown, cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE))


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (1, 0, 0, 0)])
def test_a_matrix_that_shows_nothing_is_ignored(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    path = one_picture(tmp_path / "a.mp4", drawn())
    stored = next(read_video(path))
    assert np.array_equal(next(read_video(with_matrix(path, matrix))), stored)


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(2), (192, 64)), (Fraction(1, 2), (96, 128)), (Fraction(64, 45), (137, 64))]
)
def test_pixels_become_square_and_no_side_smaller(aspect: Fraction, size: tuple[int, int], tmp_path: Path) -> None:
    def prepare(context: object) -> None:
        context.sample_aspect_ratio = aspect  # type: ignore[attr-defined]

    path = one_picture(tmp_path / "a.mp4", cv2.resize(drawn(*size), (WIDTH, HEIGHT)), prepare=prepare)
    shown = next(read_video(path))
    assert shown.shape[1::-1] == size
    assert np.abs(shown.astype(int) - drawn(*size)).mean() < 8
    assert f"become square: {size[0]}x{size[1]}" in formats(path)[0].notes[0]
    # A quarter turn comes after: what was wide is high.
    assert next(read_video(with_matrix(path, (0, 1, -1, 0)))).shape[:2] == size


def test_an_aspect_that_is_damage_is_ignored(tmp_path: Path) -> None:
    def prepare(context: object) -> None:
        context.sample_aspect_ratio = Fraction(1, 20)  # type: ignore[attr-defined]

    assert next(read_video(one_picture(tmp_path / "a.mkv", drawn(), prepare=prepare))).shape == (HEIGHT, WIDTH, 3)


def formats(path: Path) -> list[PictureFormat]:
    return [picture.format for picture in decode_pictures(path, 0)]


def frame_of(image: np.ndarray, pixel_format: str) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format=pixel_format)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(4, 3), Fraction(1, 2)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "rgb24", "gray"])
def test_a_region_is_that_part_of_the_whole_picture(
    turn: tuple[int, int, int, int], aspect: Fraction, pixel_format: str
) -> None:
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 255, (12, 16, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    frame = frame_of(image, pixel_format)
    matrix = 0 if pixel_format == "rgb24" else 6
    format_ = PictureFormat(WIDTH, HEIGHT, turn, aspect, matrix=matrix, full_range=pixel_format in ("rgb24", "gray"))
    whole = RgbConverter()(frame, format_)
    width, height = format_.upright_size
    assert whole.shape == (height, width, 3)
    regions = [Region(0, 0, width, height), Region(width - 1, height - 1, 1, 1)]
    for _ in range(6):
        x, y = int(random.integers(0, width - 8)), int(random.integers(0, height - 8))
        regions.append(Region(x, y, int(random.integers(1, width - x + 1)), int(random.integers(1, height - y + 1))))
    for region in regions:
        assert np.array_equal(RgbConverter(region=region)(frame, format_), whole[region.slices]), region


@pytest.mark.parametrize(
    ("tag", "levels"),
    [(1, {16: 0, 235: 255, 126: 128, 5: 0, 250: 255}), (2, {16: 16, 235: 235, 126: 126}), (0, {16: 16, 235: 235})],
    ids=["limited", "full", "untagged"],
)
def test_grey_is_read_by_its_range(tag: int, levels: dict[int, int], tmp_path: Path) -> None:
    """Full where nobody says otherwise. 219 steps of limited range are 255 of full range (ITU-R BT.601)."""

    def prepare(context: object) -> None:
        context.color_range = tag  # type: ignore[attr-defined]

    with Recording(tmp_path / "a.mkv", codec="ffv1", pixel_format="gray", prepare=prepare) as recording:
        for number, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH), level, np.uint8), format="gray")
            frame.color_range = tag
            recording.picture(frame, number / RATE)
    found = [int(image[30, 40, 0]) for image in read_video(tmp_path / "a.mkv")]
    assert found == pytest.approx(list(levels.values()), abs=1)
    assert formats(tmp_path / "a.mkv")[0].full_range is (tag != 1)


@pytest.mark.parametrize(
    ("size", "matrix"),
    [((640, 480), 6), ((720, 576), 6), ((1280, 536), 1), ((1280, 720), 1), ((1024, 578), 1), ((608, 1080), 1)],
)
def test_the_matrix_that_nobody_names_is_that_of_the_size(size: tuple[int, int], matrix: int, tmp_path: Path) -> None:
    """BT.601 for standard definition, BT.709 for more, as players take it."""
    path = one_picture(tmp_path / "a.mkv", np.full((size[1], size[0], 3), 90, np.uint8))
    assert formats(path)[0].matrix == matrix


def test_a_transparent_picture_is_shown_over_white(tmp_path: Path) -> None:
    rgba = np.dstack([np.full((HEIGHT, WIDTH, 3), (200, 40, 0), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)])
    rgba[:, 32:64, 3], rgba[:, 64:, 3] = 128, 255
    with Recording(tmp_path / "a.mov", codec="png", pixel_format="rgba") as recording:
        recording.picture(av.VideoFrame.from_ndarray(rgba, format="rgba"), 0.0)
    image = next(read_video(tmp_path / "a.mov"))
    assert image[5, 10].tolist() == [255, 255, 255]
    # 128 of 255 is a share of 0.502.
    assert image[5, 40].tolist() == [227, 147, 127]
    assert image[5, 80].tolist() == [200, 40, 0]
    assert "alpha channel" in formats(tmp_path / "a.mov")[0].notes[0]


def combing(image: np.ndarray) -> float:
    """How far rows lie from those between which they lie, in levels."""
    grey = image[:40].astype(float).mean(axis=2)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean())


def woven(number: int) -> np.ndarray:
    """Two fields of a bar that moves: the upper one is half a frame later, as the encoder's flags say."""
    fields = []
    for instant in (number + 0.5, number):
        image = numbered(number)
        image[:40] = 60
        left = 4 + round(5 * instant)
        image[:40, left : left + 20] = 220
        fields.append(image)
    fields[0][1::2] = fields[1][1::2]
    return fields[0]


INTERLACED = {"crf": "12", "flags": "+ildct+ilme"}


def test_interlaced_frames_lose_their_combs_and_none_is_lost(tmp_path: Path) -> None:
    with Recording(tmp_path / "a.ts", form="mpegts", options=INTERLACED) as recording:
        for number in range(12):
            recording.picture(woven(number), number / RATE)
    with open_video(tmp_path / "a.ts") as container:
        raw = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    found = list(read_video(tmp_path / "a.ts"))
    assert numbers_of(found) == list(range(12))
    # The instant is that of the first field.
    for number, image in enumerate(found[2:-2], start=2):
        bright = np.flatnonzero(image[20].mean(axis=1) > 140)
        assert bright.mean() == pytest.approx(4 + 5 * number + 9.5, abs=1)
    before, after = (np.mean([combing(image) for image in images]) for images in (raw, found))
    assert before > 6
    assert after < before / 5
    pictures = list(decode_pictures(tmp_path / "a.ts", 0))
    assert all(picture.interlaced for picture in pictures)
    # Stamps and packets stay with their pictures.
    assert np.diff([picture.presentation for picture in pictures]) == pytest.approx(1 / RATE, abs=1e-4)
    assert sorted(picture.packet for picture in pictures) == list(range(12))


def test_a_progressive_video_is_not_filtered(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", [number / RATE for number in range(5)])
    assert not any(picture.interlaced for picture in decode_pictures(path, 0))


def test_the_format_is_that_of_the_frame_where_the_container_says_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", [0.0])
    with open_video(path) as container:
        stream = container.streams.video[0]
        found = picture_format(next(container.decode(stream)), stream, None)
    assert found == PictureFormat(WIDTH, HEIGHT, primaries=2, transfer=2)
    assert found.notes == ()


def test_the_containers_pixel_aspect_goes_before_the_coded_one(tmp_path: Path) -> None:
    """As `ffmpeg -aspect ... -c copy` writes it."""

    def square(context: VideoCodecContext) -> None:
        context.sample_aspect_ratio = Fraction(1)

    path = one_picture(tmp_path / "a.mp4", drawn(), prepare=square)
    content = bytearray(path.read_bytes())
    place = content.index(b"pasp") + 4
    content[place : place + 8] = (16).to_bytes(4, "big") + (11).to_bytes(4, "big")
    path.write_bytes(content)
    assert {image.shape for image in read_video(path)} == {(HEIGHT, round(WIDTH * 16 / 11), 3)}
    assert describe(path).width == round(WIDTH * 16 / 11)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_alpha_that_webm_keeps_beside_the_picture_is_shown_over_white(codec: str, tmp_path: Path) -> None:
    cover = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    cover[:, WIDTH // 2 :] = 255
    with Recording(
        tmp_path / "a.webm", codec=codec, pixel_format="yuva420p", options={"auto-alt-ref": "0"}
    ) as recording:
        for number in range(4):
            image = np.concatenate([numbered(number), cover], axis=2)
            frame = av.VideoFrame.from_ndarray(image, format="rgba").reformat(format="yuva420p")
            recording.picture(frame, number / RATE)
    pictures = list(decode_pictures(tmp_path / "a.webm", 0))
    assert [picture.packet for picture in pictures] == list(range(4))
    convert = RgbConverter()
    for picture in pictures:
        assert any("alpha" in note for note in picture.format.notes)
        image = convert(picture.frame, picture.format)
        assert (image[:, : WIDTH // 2 - 4] == 255).all()
        assert image[:, WIDTH // 2 + 8 :].mean() < 200


def test_the_fourth_byte_of_raw_windows_pixels_is_no_alpha(tmp_path: Path) -> None:
    """Uncompressed captures of 32 bits a pixel leave it 0."""
    image = np.dstack([drawn(), np.zeros((HEIGHT, WIDTH), np.uint8)])
    with Recording(tmp_path / "a.avi", codec="rawvideo", pixel_format="bgra", tick=Fraction(1, RATE)) as recording:
        recording.picture(av.VideoFrame.from_ndarray(image, format="rgba"), 0.0)
    assert np.array_equal(next(read_video(tmp_path / "a.avi")), drawn())
    assert formats(tmp_path / "a.avi")[0].notes == ()


def test_a_colour_matrix_that_is_not_known_is_told() -> None:
    assert "YCgCo" in PictureFormat(WIDTH, HEIGHT, matrix=8).notes[0]
    frame = av.VideoFrame.from_ndarray(drawn(), format="rgb24").reformat(format="yuv444p")
    as_709 = RgbConverter()(frame, PictureFormat(WIDTH, HEIGHT, matrix=1))
    assert np.array_equal(RgbConverter()(frame, PictureFormat(WIDTH, HEIGHT, matrix=8)), as_709)
