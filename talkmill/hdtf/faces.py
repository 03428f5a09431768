"""Detects and embeds faces in a few frames of a video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.faces.detection import SURE_SCORE, FaceDetector
from talkmill.faces.embedding import FaceEmbedder
from talkmill.landmarks.detection import LandmarkDetector
from talkmill.landmarks.points import LEFT_EYE, MOUTH, RIGHT_EYE
from talkmill.video.packets import index_packets
from talkmill.video.scan import read_pictures, scan_source

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

    def frames(self, path: Path, start_seconds: float, end_seconds: float) -> list[Frame]:
        """Return up to SAMPLES frames, spread over a part of a video; fewer where it ends earlier."""
        step = (end_seconds - start_seconds) / SAMPLES
        wanted = start_seconds + step * (np.arange(SAMPLES) + 0.5)
        ranges = [(float(instant), float(instant)) for instant in wanted]
        scan = scan_source(path, index_packets(path), ranges, float("inf"), lambda _: None, lambda *_: None)
        if scan is None:
            return []
        rows = np.searchsorted(scan.times, wanted - 1e-3)
        return read_pictures(path, scan, [int(row) for row in dict.fromkeys(rows) if row < len(scan.times)])

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
                centres = (points[part].mean(0) for part in (RIGHT_EYE, LEFT_EYE, MOUTH))
                vectors.append(self._embedder.embed(frame, *centres))
        return tuple(round(float(value), 5) for value in np.mean(vectors, axis=0)) if vectors else ()
