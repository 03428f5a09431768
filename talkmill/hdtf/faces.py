"""Detects and embeds faces in a few frames of a video."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.faces.detection import SURE_SCORE, FaceDetector
from talkmill.faces.embedding import FaceEmbedder
from talkmill.landmarks.detection import LandmarkDetector
from talkmill.landmarks.points import eyes_and_mouth
from talkmill.video.cut import VideoPart
from talkmill.video.scan import read_pictures

SAMPLES = 8


class FaceSampler:
    """Looks at frames of a video; not safe for several threads at once."""

    def __init__(
        self, detector: FaceDetector, landmarks: LandmarkDetector | None, embedder: FaceEmbedder | None
    ) -> None:
        """Create a sampler.

        Args:
            detector: Finds faces.
            landmarks: Finds eyes and mouths; None where nobody is to be recognised.
            embedder: Says who a face is; None where nobody is to be recognised.
        """
        self._detector, self._landmarks, self._embedder = detector, landmarks, embedder

    def frames(self, part: VideoPart) -> list[Frame]:
        """Return up to SAMPLES frames, RGB (H, W, 3) uint8, spread over a part of a video."""
        count = part.end - part.first
        rows = np.unique((part.first + (np.arange(SAMPLES) + 0.5) * count / SAMPLES).astype(np.int64))
        return read_pictures(part.path, part.scan, [int(row) for row in rows])

    def faces(self, frame: Frame) -> npt.NDArray[np.float32]:
        """Return the sure faces of a frame, (K, 4)."""
        detections = self._detector.detect(frame)
        return detections.boxes[detections.scores >= SURE_SCORE]

    def embedding(self, frames: Sequence[Frame], boxes: Sequence[npt.NDArray[np.float32] | None]) -> tuple[float, ...]:
        """Return the mean vector of one face over frames; empty where nobody is recognised."""
        if self._landmarks is None or self._embedder is None:
            return ()
        vectors = []
        for frame, box in zip(frames, boxes, strict=True):
            if box is not None:
                points = self._landmarks.detect(frame, box).points
                vectors.append(self._embedder.embed(frame, eyes_and_mouth(points)))
        return tuple(round(float(value), 5) for value in np.mean(vectors, axis=0)) if vectors else ()
