"""What a layout shows of a clip that leaves the choice to the user: whole frames, or a square of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from talkmill.arrays import Frame
from talkmill.faces.crop_box import CropBox
from talkmill.geometry.transforms import Matrix
from talkmill.layouts.layout import Piece, UnsuitableClipError
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.media import even
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.squares import frame_from_square, square_of
from talkmill.text import counted


@dataclass(frozen=True, slots=True)
class Picture:
    """The part of a piece's frames that is shown, with even sides.

    Attributes:
        width: In pixels, as it is written.
        height: In pixels, as it is written.
        box: The square of the upright frame; None for the whole frame.
    """

    width: int
    height: int
    box: CropBox | None

    @property
    def frame_height(self) -> int:
        """Height in pixels of the upright frame."""
        return self.height if self.box is None else self.box.side

    @property
    def picture_from_frame(self) -> Matrix:
        """(3, 3): pixels of the upright frame to those of the picture, centres at integers."""
        if self.box is None:
            return np.eye(3)
        return np.asarray(np.linalg.inv(frame_from_square(self.box, self.width)), np.float64)

    def frames(self, piece: Piece, material: ClipMaterial) -> Iterator[Frame]:
        """Yield the pictures: RGB (height, width, 3) uint8."""
        if self.box is None:
            return even(material.frames(piece.frames))
        return material.squares(piece.frames, self.box, self.width)


def picture_of(piece: Piece, material: ClipMaterial, options: ExportOptions) -> Picture:
    """Return what is shown: a square where `size` or `face_share` asks for one, else the whole frame.

    Raises:
        OptionError: The size is odd.
        UnsuitableClipError: The square has no pixel, or one.
    """
    if options.size is None and options.face_share is None:
        width, height = (side - side % 2 for side in material.frame_size)
        return Picture(width, height, None)
    size = options.even_size()
    box = square_of(material, piece.frames, options.face_share)
    if box.side < 2:
        raise UnsuitableClipError(
            f"its square is {counted(box.side, 'pixel')} wide: use a video in which the face is larger"
        )
    box = CropBox(box.x0, box.y0, box.side - box.side % 2)
    side = size or box.side
    return Picture(side, side, box)
