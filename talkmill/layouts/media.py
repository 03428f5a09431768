"""Writes the files that many layouts have."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from talkmill.arrays import Frame
from talkmill.sound.audio import SAMPLE_RATE, Samples
from talkmill.video.encode import Soundtrack, movie_writer
from talkmill.video.encoders import Encoder


def write_movie(
    path: Path, rate: Fraction, frames: Iterable[Frame], samples: Samples | None = None, encoder: Encoder = "auto"
) -> None:
    """Write an .mp4 that every trainer's reader decodes.

    Args:
        path: The .mp4.
        rate: Frames a second.
        frames: RGB (H, W, 3) uint8 with even sides.
        samples: (S,) int16 at 16 kHz; None for a silent file.
        encoder: See `talkmill.video.encode.movie_writer`.
    """
    sound = Soundtrack(samples, SAMPLE_RATE) if samples is not None else None
    with movie_writer(path, rate, sound, encoder) as writer:
        for frame in frames:
            writer.write(frame)


def even(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Cut an odd last row and column away: 4:2:0 has none."""
    for frame in frames:
        height, width = (side - side % 2 for side in frame.shape[:2])
        yield frame[:height, :width]
