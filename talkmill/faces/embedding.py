"""Face embeddings: vectors that are close for pictures of the same person."""

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.inference.backend import Network

# Its id in the catalogue.
EMBEDDING_MODEL = "face-api-embedding"
SIDE = 150
# Where the eyes and the mouth of an upright face lie in the square, as shares of its side (face-api.js,
# FaceLandmarks.ts: the mean of the three points at 0.5 and 0.43, eyes to mouth 0.45).
CENTRE = (0.5, 0.43)
EYES_TO_MOUTH = 0.45


class FaceEmbedder:
    """Runs a face embedding net."""

    def __init__(self, network: Network) -> None:
        """Create an embedder from face-api-embedding."""
        self._network = network

    def embed(self, frame: npt.NDArray[np.uint8], eyes_and_mouth: npt.NDArray[np.floating]) -> Float32Array:
        """Embed one face.

        Args:
            frame: RGB, (H, W, 3) uint8.
            eyes_and_mouth: (3, 2) centres in pixels: of the person's right eye, which is on the left of the picture, of
                the other eye, of the mouth.

        Returns:
            (128,) float32; Euclidean distances count.
        """
        reference = np.asarray(eyes_and_mouth, np.float64)
        across = reference[1] - reference[0]
        angle = np.arctan2(across[1], across[0])
        size = float(np.linalg.norm(reference[2] - reference[:2], axis=1).mean()) / EYES_TO_MOUTH
        scale = size / SIDE
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
        frame_from_crop = np.column_stack([turn, reference.mean(0) - turn @ (np.array(CENTRE) * SIDE)])
        flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
        crop = np.asarray(cv2.warpAffine(frame, frame_from_crop, (SIDE, SIDE), flags=flags))
        pair = np.stack([crop, crop[:, ::-1]]).astype(np.float32).transpose(0, 3, 1, 2)
        (vectors,) = self._network.run({self._network.input_names[0]: np.ascontiguousarray(pair)})
        return np.asarray(vectors.mean(0), np.float32)
