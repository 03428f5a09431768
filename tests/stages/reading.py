"""What tests of stages read of files."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from talkmill.sound.audio import read_sound
from talkmill.video.packets import index_packets


def sound_of(path: Path, folder: Path) -> np.ndarray:
    """Return the whole sound of a file as the stages cut it: 16 kHz mono from its first sample on."""
    index = index_packets(path)
    sound = read_sound(path, index, folder / "sound.raw")
    assert sound is not None
    start = float(np.nanmin(index.sound.presentation + index.offsets[index.sound.section]))
    seconds = float(np.nanmax(index.sound.presentation)) - float(np.nanmin(index.sound.presentation))
    return sound.cut(start, round(seconds * 1000), Fraction(1000)).samples
