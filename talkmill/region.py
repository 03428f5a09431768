"""A rectangle of pixels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels of a frame; it lies inside it.

    Attributes:
        x: First column.
        y: First row.
        width: Columns.
        height: Rows.
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse what is no rectangle of a frame.

        Raises:
            ValueError: A corner lies before the frame, or there is no pixel in it.
        """
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise ValueError(f"{self.width}x{self.height} pixels at {self.x}, {self.y} are no part of a frame")

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array with."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @classmethod
    def inside(cls, x0: int, y0: int, x1: int, y1: int, width: int, height: int) -> "Region":
        """Return what of x0, y0 to x1, y1 (not included) lies in a frame; at least one pixel."""
        x0, y0 = min(max(0, x0), width - 1), min(max(0, y0), height - 1)
        x1, y1 = max(x0 + 1, min(width, x1)), max(y0 + 1, min(height, y1))
        return cls(x0, y0, x1 - x0, y1 - y0)
