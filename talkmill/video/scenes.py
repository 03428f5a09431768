"""Detects scene cuts while frames stream by."""

import cv2
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from talkmill.arrays import Frame
from talkmill.geometry.shrink import shrink

# The detector works on content, not on detail; PySceneDetect scales to this width itself when it reads files.
WIDTH = 256
# The detector wants a rate for its time codes; only frame numbers are used here.
NOMINAL_RATE = 25.0


def thumbnail(image: Frame) -> Frame:
    """Return a picture, RGB (H, W, 3) uint8, so small that only its content is left."""
    height, width = image.shape[:2]
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    return shrink(image, size)


class SceneCutFinder:
    """Finds hard cuts with PySceneDetect's adaptive detector.

    Source: https://www.scenedetect.com (BSD-3-Clause), AdaptiveDetector with its published thresholds.
    """

    def __init__(self) -> None:
        self._detector = AdaptiveDetector(min_scene_len=1)
        self._size: tuple[int, ...] | None = None
        self._count = 0
        self._cuts: list[int] = []

    def add(self, image: Frame) -> None:
        """Take the thumbnail of the next frame."""
        small = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        size = image.shape
        if self._size not in (None, size):
            # Another format: no cut, but nothing to compare with either.
            self._detector = AdaptiveDetector(min_scene_len=1)
        self._size = size
        found = self._detector.process_frame(FrameTimecode(self._count, NOMINAL_RATE), small)
        self._cuts += [int(cut.frame_num) for cut in found]
        self._count += 1

    @property
    def cuts(self) -> list[int]:
        """Numbers of the frames that begin a new scene, rising."""
        return sorted(set(self._cuts) - {0})
