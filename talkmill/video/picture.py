"""How a decoded picture is meant to be seen, and its way to upright RGB of square pixels in ITU-R BT.709."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from talkmill.arrays import Frame
from talkmill.region import Region
from talkmill.video.colour import BT709_PRIMARIES, SDR_TRANSFER, UNSPECIFIED, to_bt709

# Untagged pictures at least so wide, or higher than standard definition, are BT.709, as players take them.
HD_WIDTH, SD_HEIGHT = 1280, 576
# MatrixCoefficients of ITU-T H.273, by the names of FFmpeg's scale filter.
RGB_MATRIX, BT709_MATRIX, BT601_MATRIX = 0, 1, 6
# Of the others in use, which swscale does not know; the rest are unspecified or reserved.
OTHER_MATRICES = {8: "YCgCo", 11: "YDzDx", 12: "chromaticity-derived", 13: "chromaticity-derived", 14: "ICtCp"}
MATRIX_NAMES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
# Aspects of a pixel beyond these are damage, not a format: anamorphic film has 2.
WIDEST_PIXEL = Fraction(4)
# a, b, c, d of a display matrix, each -1, 0 or 1: see `PictureFormat.turn`.
Turn = tuple[int, int, int, int]
UPRIGHT: Turn = (1, 0, 0, 1)
# What shows where a picture with alpha is transparent.
UNDER_ALPHA = 255
# sws_scale: bicubic where it scales, as the reference's OpenCV does for chroma.
SCALE_FLAGS = "bicubic"
# Where swscale widens fewer bits to 16, the largest level becomes 255 * 256.
WIDENED_WHITE = 0xFF00 / 0xFFFF


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """How the decoded pictures of a stretch of video become RGB.

    Attributes:
        width: Decoded width in pixels.
        height: Decoded height in pixels.
        turn: a, b, c, d of the display matrix, each -1, 0 or 1: a decoded pixel (x, y) from the centre is shown at
            (a x + c y, b x + d y), x to the right, y down. Source: ISO/IEC 14496-12, 8.3.2.
        pixel_aspect: Width of a pixel over its height.
        primaries: ColourPrimaries of ITU-T H.273.
        transfer: TransferCharacteristics of ITU-T H.273.
        matrix: MatrixCoefficients of ITU-T H.273; 0 for RGB.
        full_range: Whether levels go from 0 to the largest.
        alpha: Whether there is an alpha channel.
    """

    width: int
    height: int
    turn: Turn = UPRIGHT
    pixel_aspect: Fraction = Fraction(1)
    primaries: int = BT709_PRIMARIES
    transfer: int = SDR_TRANSFER
    matrix: int = BT601_MATRIX
    full_range: bool = False
    alpha: bool = False

    @property
    def square_size(self) -> tuple[int, int]:
        """Width and height in square pixels, before the turn; no side becomes smaller."""
        if self.pixel_aspect >= 1:
            return max(1, round(self.width * self.pixel_aspect)), self.height
        return self.width, max(1, round(self.height / self.pixel_aspect))

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height in pixels of what is shown."""
        width, height = self.square_size
        return (width, height) if self.turn[0] else (height, width)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the pictures that the user should know."""
        found = []
        if self.pixel_aspect != 1:
            size = "x".join(map(str, self.upright_size))
            found.append(
                f"pixels of {self.pixel_aspect.numerator}:{self.pixel_aspect.denominator} become square: {size}"
            )
        a, b, c, d = self.turn
        if a * d - b * c < 0:
            found.append("the display matrix mirrors the picture: it is shown mirrored, as players do")
        if to_bt709(self.primaries, self.transfer) is not None:
            found.append(f"{to_bt709(self.primaries, self.transfer)} is mapped to BT.709")
        if self.matrix in OTHER_MATRICES:
            found.append(
                f"the colour matrix {OTHER_MATRICES[self.matrix]} is not known here: colours are read as BT.709's"
            )
        if self.alpha:
            found.append("the picture has an alpha channel: it is shown over white")
        return tuple(found)


def container_aspect(stream: VideoStream) -> Fraction | None:
    """Return the pixel aspect that a container sets against the coded one, before anything is decoded; None: nothing.

    The container's goes before the coded one, as in FFmpeg's av_guess_sample_aspect_ratio and in players.
    """
    aspect = stream.sample_aspect_ratio
    return None if not aspect or aspect == stream.codec_context.sample_aspect_ratio else Fraction(aspect)


def picture_format(
    frame: av.VideoFrame, stream: VideoStream, set_aspect: Fraction | None, turn: Turn | None = None
) -> PictureFormat:
    """Read how a decoded frame is meant to be seen.

    Args:
        frame: The frame.
        stream: Its stream.
        set_aspect: What `container_aspect` gave before decoding.
        turn: What `turn_of` gives; None to ask it.

    Returns:
        The format; what nobody says is filled in as players do.
    """
    # The decoder knows of a change in the middle of the stream.
    aspect = set_aspect or stream.codec_context.sample_aspect_ratio or Fraction(1)
    if not 1 / WIDEST_PIXEL <= aspect <= WIDEST_PIXEL:
        aspect = Fraction(1)
    name = frame.format.name
    rgb, grey = frame.format.is_rgb or name.startswith("pal"), name.startswith("gray")
    matrix = int(frame.colorspace)
    if rgb:
        matrix = RGB_MATRIX
    elif matrix not in MATRIX_NAMES and matrix not in OTHER_MATRICES:
        matrix = BT709_MATRIX if frame.width >= HD_WIDTH or frame.height > SD_HEIGHT else BT601_MATRIX
    named_full, limited = frame.color_range == ColorRange.JPEG, frame.color_range == ColorRange.MPEG
    full = rgb or named_full or name.startswith("yuvj") or (grey and not limited)
    return PictureFormat(
        width=frame.width,
        height=frame.height,
        turn=turn_of(frame) if turn is None else turn,
        pixel_aspect=Fraction(aspect),
        primaries=int(frame.color_primaries) or UNSPECIFIED,
        transfer=int(frame.color_trc) or UNSPECIFIED,
        matrix=matrix,
        full_range=full,
        alpha="a" in name and (name.startswith(_WITH_ALPHA) or name in _RGB_WITH_ALPHA) and not _unused_alpha(stream),
    )


_WITH_ALPHA = ("yuva", "ya", "gbra", "gbrap", "ayuv", "vuya", "uyva", "rgbaf")
_BI_RGB = "\0\0\0\0"
_RGB_WITH_ALPHA = ("rgba", "bgra", "argb", "abgr", "rgba64le", "rgba64be", "bgra64le", "bgra64be", "pal8")


def _unused_alpha(stream: VideoStream) -> bool:
    """Say whether the fourth byte of a pixel is nobody's: raw RGB32 of Windows (.avi), which FFmpeg reads as BGRA.

    Source: BITMAPINFOHEADER of the Windows API: of 32 bits a pixel with BI_RGB the high byte is not used.
    """
    return stream.codec_context.name == "rawvideo" and stream.codec_context.codec_tag == _BI_RGB


def turn_of(frame: av.VideoFrame) -> Turn:
    """Return the quarter turn and mirror that lie nearest to the display matrix; see `PictureFormat.turn`."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    a, b, _, c, d = (float(value) for value in np.frombuffer(data, np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        turn = (int(np.sign(a)), 0, 0, int(np.sign(d)))
    else:
        turn = (0, int(np.sign(b)), int(np.sign(c)), 0)
    return turn if turn[0] * turn[3] - turn[1] * turn[2] else UPRIGHT


def turned(image: Frame, turn: Turn) -> Frame:
    """Show a picture, or an alpha, as its display matrix says; see `PictureFormat.turn`."""
    a, b, c, d = turn
    if not a:
        # x goes to rows and y to columns.
        image = np.swapaxes(image, 0, 1)
        flip_rows, flip_columns = b < 0, c < 0
    else:
        flip_rows, flip_columns = d < 0, a < 0
    if flip_rows:
        image = image[::-1]
    if flip_columns:
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


class RgbConverter:
    """Turns decoded frames into upright RGB; keeps what it builds for the next frame of the same format."""

    def __init__(self, region: Region | None = None) -> None:
        """Create a converter.

        Args:
            region: Part of the upright frame that is wanted; None for all of it.
        """
        self._region = region
        self._graphs: dict[Any, _Graph] = {}

    def __call__(self, frame: av.VideoFrame, format_: PictureFormat) -> Frame:
        """Convert a frame.

        Args:
            frame: The decoded frame, deinterlaced.
            format_: How it is meant to be seen.

        Returns:
            RGB, (H, W, 3) uint8, upright, square pixels, BT.709.
        """
        key = (format_, frame.format.name)
        if key not in self._graphs:
            self._graphs[key] = _Graph(frame, format_, self._region)
        return self._graphs[key](frame)


class _Graph:
    """FFmpeg's filters for one format of frames."""

    def __init__(self, frame: av.VideoFrame, format_: PictureFormat, region: Region | None) -> None:
        self._format, self._rest = format_, None
        width, height = format_.square_size
        filters: list[tuple[str, str]] = []
        if region is not None:
            stored = _stored(region, format_)
            if format_.pixel_aspect == 1:
                # On whole blocks of chroma; what is too much is cut off again.
                x, y = stored.x // 4 * 4, stored.y // 4 * 4
                right = min(width, -(-(stored.x + stored.width) // 4) * 4)
                bottom = min(height, -(-(stored.y + stored.height) // 4) * 4)
                width, height = right - x, bottom - y
                filters.append(("crop", f"{width}:{height}:{x}:{y}:exact=1"))
                stored = Region(stored.x - x, stored.y - y, stored.width, stored.height)
            self._rest = np.s_[stored.y : stored.y + stored.height, stored.x : stored.x + stored.width]
        mapping = to_bt709(format_.primaries, format_.transfer)
        packed = "rgba" if format_.alpha else "rgb24"
        middle = ("gbrap16le" if format_.alpha else "gbrp16le") if mapping else packed
        scale = f"w={width}:h={height}:flags={SCALE_FLAGS}:out_range=pc"
        if format_.matrix != RGB_MATRIX:
            name = MATRIX_NAMES.get(format_.matrix, "bt709")
            scale += f":in_color_matrix={name}:out_color_matrix={name}:in_range={'pc' if format_.full_range else 'tv'}"
        self._limited_grey = frame.format.name.startswith("gray") and not format_.full_range
        filters += [("scale", scale), ("format", middle)]
        if mapping:
            white = 1.0 if frame.format.components[0].bits == 16 else WIDENED_WHITE
            filters += [
                ("lut3d", f"file={mapping.cube_file(white)}:interp=tetrahedral"),
                ("format", "rgba64le" if format_.alpha else "rgb48le"),
            ]
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        last = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
        )
        for name, arguments in filters:
            following = self._graph.add(name, arguments)
            last.link_to(following)
            last = following
        last.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def __call__(self, frame: av.VideoFrame) -> Frame:
        self._graph.push(frame)
        image = np.asarray(self._graph.pull().to_ndarray())
        if image.dtype == np.uint16:
            # Over 257, rounded to nearest; swscale would dither.
            image = ((image - (image >> 8) + 128) >> 8).astype(np.uint8)
        if self._format.alpha:
            cover = image[..., 3:].astype(np.float32) / 255
            image = np.rint(image[..., :3] * cover + UNDER_ALPHA * (1 - cover)).astype(np.uint8)
        if self._limited_grey:
            image = _LIMITED_TO_FULL[image]
        if self._rest is not None:
            image = image[self._rest]
        return turned(image, self._format.turn)


# swscale takes grey for full range, whatever it is told.
_LIMITED_TO_FULL = np.clip(np.rint((np.arange(256) - 16.0) * 255 / 219), 0, 255).astype(np.uint8)


def _stored(region: Region, format_: PictureFormat) -> Region:
    """Map a region of the upright frame to the frame of square pixels before its turn."""
    a, b, c, d = format_.turn
    width, height = format_.square_size
    if a:
        x = region.x if a > 0 else width - region.x - region.width
        y = region.y if d > 0 else height - region.y - region.height
        return Region(x, y, region.width, region.height)
    x = region.y if b > 0 else width - region.y - region.height
    y = region.x if c > 0 else height - region.x - region.width
    return Region(x, y, region.height, region.width)


class Deinterlacer:
    """Makes one progressive frame of every interlaced one; a context of neighbours, so frames come one late.

    Source: FFmpeg's bwdif (Thomas Mundt), after BBC R&D white paper WHP 057 and yadif.
    """

    def __init__(self) -> None:
        self._graph: Any = None

    def push(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """Take the next frame of a stretch of one format; return those that are done."""
        if self._graph is None:
            self._graph = av.filter.Graph()
            source = self._graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            )
            middle = self._graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
            source.link_to(middle)
            middle.link_to(self._graph.add("buffersink"))
            self._graph.configure()
        self._graph.push(frame)
        return self._pull()

    def flush(self) -> list[av.VideoFrame]:
        """Return the frames that still wait, and begin anew."""
        if self._graph is None:
            return []
        self._graph.push(None)
        rest = self._pull()
        self._graph = None
        return rest

    def _pull(self) -> list[av.VideoFrame]:
        done = []
        while True:
            try:
                done.append(self._graph.pull())
            except (av.BlockingIOError, av.EOFError):
                return done
