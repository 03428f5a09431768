"""What MuseTalk's reader writes beside an exported clip."""

from fractions import Fraction

from talkmill.layouts.layout import Layout, Piece, PreprocessedLayout
from talkmill.layouts.musetalk import MuseTalk
from talkmill.layouts.options import ExportOptions


def test_the_sound_that_the_reader_writes_again_is_the_trainers() -> None:
    """musetalk/utils/audio_utils.py (0a89dec), ensure_wav: the path without its ending, and `_16k.wav`."""
    layout: Layout = MuseTalk()
    piece = Piece("ann_000_p00", "ann_000", "train", "ann", Fraction(25), 0, 200)
    (sound,) = (path for path in layout.paths(piece, ExportOptions()) if path.endswith(".wav"))
    assert isinstance(layout, PreprocessedLayout)
    assert layout.preprocessed(piece) == (sound.removesuffix(".wav") + "_16k.wav",)
