"""Says whether a clip shows one person from its first frame to its last."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.faces.embedding import FaceEmbedder

# One face is embedded in so many seconds.
SAMPLE_SECONDS = 0.4
# The mean of so many embeddings stands for a moment; of fewer in a short clip, but never of one.
MOMENT_SAMPLES = 4
FEWEST_SAMPLES = 2
# Mean confidence of the landmarks below which a face is not embedded: hidden, or in profile.
MIN_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class FarthestMoments:
    """The two moments of a clip whose faces are least alike.

    Attributes:
        distance: Euclidean distance of their mean embeddings.
        first_frame: In the middle of the earlier moment.
        other_frame: In the middle of the later one.
    """

    distance: float
    first_frame: int
    other_frame: int


class IdentityWatch:
    """Embeds faces of a clip while its frames stream by."""

    def __init__(self, embedder: FaceEmbedder, rate: float) -> None:
        """Create a watch.

        Args:
            embedder: Turns a face into a vector.
            rate: Frames a second.
        """
        self._embedder = embedder
        self._step = max(1, round(SAMPLE_SECONDS * rate))
        self._next = 0
        self._frames: list[int] = []
        self._vectors: list[Float32Array] = []

    def look(self, index: int, image: Frame, eyes_and_mouth: npt.NDArray[np.floating], confidence: float) -> None:
        """Take a frame; most are passed over.

        Args:
            index: Number of the frame, rising.
            image: RGB (H, W, 3) uint8.
            eyes_and_mouth: (3, 2) centres in pixels of the image, see `FaceEmbedder.embed`.
            confidence: Trust in them, 0 to 1.
        """
        if index >= self._next and confidence >= MIN_CONFIDENCE:
            self._frames.append(index)
            self._vectors.append(self._embedder.embed(image, eyes_and_mouth))
            self._next = index + self._step

    def farthest(self) -> FarthestMoments | None:
        """Return the two moments whose faces are least alike; None where too few faces were seen to tell."""
        count = min(MOMENT_SAMPLES, len(self._vectors) // 2)
        if count < FEWEST_SAMPLES:
            return None
        vectors, frames = np.stack(self._vectors), self._frames
        means = np.stack([vectors[start : start + count].mean(0) for start in range(len(vectors) - count + 1)])
        farthest = FarthestMoments(-1.0, 0, 0)
        # Moments that overlap are not compared; an hour of video has millions of pairs.
        for first in range(len(means) - count):
            distances = np.linalg.norm(means[first + count :] - means[first], axis=1)
            other = int(distances.argmax())
            if distances[other] > farthest.distance:
                middle = count // 2
                farthest = FarthestMoments(
                    float(distances[other]), frames[first + middle], frames[first + count + other + middle]
                )
        return farthest
