"""Flat patches through every writer: whoever reads the file sees the colours that were written."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from talkmill.video.clip import PacketCopy, copy_packets, read_clip
from talkmill.video.decode import read_video
from talkmill.video.encode import compatible_writer, file_writer, lossless_writer
from talkmill.video.images import decode_image, encode_image
from talkmill.video.join import join_streams
from talkmill.video.resample import FrameSchedule
from tests.media import scan_of

# Every corner and middle of the colour cube, a ramp of greys, and five tones of skin.
CUBE = [(red, green, blue) for red in (0, 128, 255) for green in (0, 128, 255) for blue in (0, 128, 255)]
GREYS = [(level, level, level) for level in (16, 32, 64, 96, 160, 192, 224, 240)]
SKIN = [(255, 219, 172), (241, 194, 125), (224, 172, 105), (198, 134, 66), (141, 85, 36)]
COLOURS = np.array([*CUBE, *GREYS, *SKIN], np.uint8)
COLUMNS, ROWS = 8, 5
EVEN, ODD, HIGH_DEFINITION = (480, 640), (357, 533), (720, 1280)


def grid(height: int, width: int) -> np.ndarray:
    tiles = np.resize(COLOURS, (ROWS * COLUMNS, 3)).reshape(ROWS, COLUMNS, 3)
    rows, columns = np.arange(height) * ROWS // height, np.arange(width) * COLUMNS // width
    return tiles[rows][:, columns]


def errors(image: np.ndarray) -> np.ndarray:
    """Mean absolute error of each patch, without its border, where 4:2:0 mixes two colours."""
    truth = grid(*image.shape[:2])
    difference = np.abs(image.astype(int) - truth)
    height, width = image.shape[0] / ROWS, image.shape[1] / COLUMNS
    return np.array(
        [
            difference[int((row + 0.25) * height) : int((row + 0.75) * height)][
                :, int((column + 0.25) * width) : int((column + 0.75) * width)
            ].mean()
            for row in range(ROWS)
            for column in range(COLUMNS)
        ]
    )


def by_opencv(path: Path) -> np.ndarray:
    found, frame = cv2.VideoCapture(str(path)).read()
    assert found
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def frames(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def by_pyav(path: Path) -> np.ndarray:
    return next(frames(path)).to_ndarray(format="rgb24")


def blind_to_tags(path: Path) -> np.ndarray:
    """What OpenCV 4 does: BT.601 and limited range, whatever the file says."""
    frame = next(frames(path))
    if not frame.format.is_rgb:
        frame = VideoReformatter().reformat(
            frame, format="rgb24", src_colorspace=Colorspace.ITU601, src_color_range=ColorRange.MPEG
        )
    return frame.to_ndarray(format="rgb24")


def by_talkmill(path: Path) -> np.ndarray:
    return next(read_video(path))


def written(path: Path, writer: Callable[..., object], image: np.ndarray) -> Path:
    with writer(path, Fraction(25)) as video:
        for _ in range(3):
            video.write(image)
    return path


READERS, SIZES = (by_opencv, by_pyav, blind_to_tags, by_talkmill), (EVEN, ODD, HIGH_DEFINITION)
# H.264 in 4:2:0 has even sides.
WRITTEN = [
    (writer, size, reader)
    for writer in (compatible_writer, file_writer, lossless_writer)
    for size in SIZES
    for reader in READERS
    if writer is not file_writer or size is not ODD
]


@pytest.mark.parametrize(("writer", "size", "reader"), WRITTEN)
def test_every_reader_sees_what_was_written(
    tmp_path: Path, writer: Callable[..., object], size: tuple[int, int], reader: Callable[[Path], np.ndarray]
) -> None:
    path = written(tmp_path / ("a.mkv" if writer is lossless_writer else "a.mp4"), writer, grid(*size))
    found = errors(reader(path))
    assert found.mean() < 1
    assert found.max() < 2


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (224, 172, 105)])
@pytest.mark.parametrize("size", [(64, 64), (65, 67), (66, 65)])
def test_an_odd_last_row_or_column_has_its_colour(
    tmp_path: Path, size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    flat = np.full((*size, 3), colour, np.uint8)
    found = by_opencv(written(tmp_path / "a.mp4", compatible_writer, flat))
    assert found.shape == flat.shape
    assert np.abs(found.astype(int) - flat).max() <= 3


def test_a_joined_stream_keeps_its_colours(tmp_path: Path) -> None:
    """Above 576 lines an untagged stream is taken for BT.709: the tag has to go along."""
    path = written(tmp_path / "a.mp4", compatible_writer, grid(*HIGH_DEFINITION))
    join_streams(path, None, tmp_path / "joined.mp4")
    assert errors(by_talkmill(tmp_path / "joined.mp4")).max() < 2


def tagged(path: Path, codec: str, matrix: Colorspace, tag: int, full_range: bool = False) -> Path:
    """Write the grid as somebody else's encoder does: any matrix and its tag, and nothing of primaries."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"qmin": "2", "qmax": "2"} if codec == "mpeg4" else {})
        stream.height, stream.width = HIGH_DEFINITION
        stream.pix_fmt = "yuv420p"
        used = ColorRange.JPEG if full_range else ColorRange.MPEG
        stream.codec_context.colorspace, stream.codec_context.color_range = tag, int(used)
        frame = av.VideoFrame.from_ndarray(grid(*HIGH_DEFINITION), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix, src_color_range=ColorRange.JPEG, dst_color_range=used
        )
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("matrix", "tag"),
    [
        (Colorspace.ITU709, 1),
        (Colorspace.ITU601, 5),
        (Colorspace.ITU601, 6),
        (Colorspace.SMPTE240M, 7),
        (Colorspace.BT2020, 9),
    ],
)
def test_a_source_is_read_by_the_matrix_that_it_names(
    tmp_path: Path, matrix: Colorspace, tag: int, full_range: bool
) -> None:
    """The numbers are those of ITU-T H.273: 5 and 6 are both BT.601, and phones write 6 into high definition."""
    path = tagged(tmp_path / "a.mkv", "libvpx-vp9", matrix, tag, full_range)
    assert errors(by_talkmill(path)).mean() < 2


def test_a_clip_keeps_the_colours_that_its_copy_cannot_name(tmp_path: Path) -> None:
    """MPEG-4 part 2 carries no matrix, and .mov may have no room for one: the frame table has it."""
    path = tagged(tmp_path / "a.mkv", "mpeg4", Colorspace.ITU601, 6)
    scan = scan_of(path)
    (copied,) = copy_packets(path, scan.index, [PacketCopy((0, 1), tmp_path / "copied", (0, None))])
    assert copied is not None
    table = scan.table(np.array([0]), FrameSchedule(Fraction(25), np.array([0]), 0.0), (0, 1))
    assert errors(next(read_clip(copied, table))).mean() < 2


def test_stored_frames_keep_their_colours() -> None:
    content = encode_image(grid(512, 512))
    by_cv2 = cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert errors(by_cv2).max() < 2
    assert errors(decode_image(content)).max() < 2
