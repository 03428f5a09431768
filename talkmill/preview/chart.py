"""How far eyes and lips are open over a whole clip: a missed blink is a line that does not dip."""

import numpy as np

from talkmill.arrays import Frame
from talkmill.preview.canvas import BLUE, INK, ORANGE, PALE, PAPER, Canvas
from talkmill.preview.clip import Moment, PreviewedClip

# An opening that fills the chart where no eye and no mouth is open wider.
LEAST_TOP = 0.4
# Pixels above and below the lines; height of capital letters.
HEAD, FOOT, LETTERS = 30, 26, 14


def opening_chart(clip: PreviewedClip, shown: list[Moment], width: int, height: int) -> Frame:
    """Draw the openings of a clip's eyes (dark) and lips (bright) over its frames.

    Frames that were not measured are grey. Blinks have a bar below the lines; the frames that are shown have a
    line and their number.

    Args:
        clip: The clip.
        shown: The frames that are shown.
        width: In pixels.
        height: In pixels.

    Returns:
        (height, width, 3) uint8.
    """
    canvas = Canvas.blank(width, height)
    step = width / len(clip)
    middles = (np.arange(len(clip)) + 0.5) * step
    eyes = None if clip.eyes is None else clip.eyes.opening.mean(1)
    openings = [clip.lips] if eyes is None else [clip.lips, eyes]
    top = max(LEAST_TOP, *(float(opening[clip.measured].max(initial=0)) for opening in openings))

    def place(opening: np.ndarray) -> np.ndarray:
        shares = np.clip(opening / top, 0, 1)
        return np.stack([middles, height - FOOT - shares * (height - HEAD - FOOT)], axis=1)

    for frame in np.flatnonzero(~clip.measured):
        canvas.fill(int(frame * step), HEAD, int((frame + 1) * step) + 1, height, PALE)
    for x in middles[[moment.frame for moment in shown]]:
        canvas.line(np.array([[x, HEAD], [x, height]]), INK)
    canvas.line(place(clip.lips), ORANGE, 2)
    words = canvas.write("opening over the clip:", 4, 21, LETTERS)
    if eyes is not None and clip.eyes is not None:
        threshold = place(np.full(len(clip), clip.eyes.shut_below))
        canvas.line(threshold[[0, -1]], BLUE)
        canvas.line(place(eyes), BLUE, 2)
        for blink in clip.blinks:
            canvas.fill(int(blink.start * step), height - FOOT + 2, int(blink.stop * step) + 1, height - FOOT + 8, BLUE)
        words = canvas.write("eyes (thin line: shut below; bar: blink)", words + 14, 21, LETTERS, BLUE)
    for moment in shown:
        _number(canvas, moment.frame, middles[moment.frame])
    canvas.write("lips", words + 18, 21, LETTERS, ORANGE)
    return canvas.image


def _number(canvas: Canvas, frame: int, x: float) -> None:
    """Write the number of a frame beside its line, on paper."""
    height, width = canvas.image.shape[:2]
    long = 11 * len(str(frame)) + 6
    left = min(int(x) + 3, width - long)
    canvas.fill(left, height - 18, left + long, height, PAPER)
    canvas.write(str(frame), left + 2, height - 3, 12)
