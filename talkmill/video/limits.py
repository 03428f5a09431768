"""Limits on the size of a video."""

from dataclasses import dataclass


class VideoLimitError(ValueError):
    """A video is larger than it may be; the message says by what."""


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """Bounds of a source.

    Attributes:
        max_pixels: Of one frame; 8K UHD by default.
        max_frames: Of a source.
        max_seconds: That the pictures of a source are shown, without the holes that end takes.
    """

    max_pixels: int = 7680 * 4320
    max_frames: int = 24 * 3600 * 60
    max_seconds: float = 12 * 3600.0

    def check_size(self, width: int, height: int) -> None:
        """Raise VideoLimitError where a frame is too large."""
        if width * height > self.max_pixels:
            raise VideoLimitError(f"frames of {width}x{height} pixels; at most {self.max_pixels} pixels are taken")

    def check_length(self, frame_count: int, seconds: float) -> None:
        """Raise VideoLimitError where a source is too long."""
        if frame_count > self.max_frames:
            raise VideoLimitError(f"more than {self.max_frames} frames")
        if seconds > self.max_seconds:
            raise VideoLimitError(f"more than {self.max_seconds:g} seconds")


DEFAULT_LIMITS = VideoLimits()
