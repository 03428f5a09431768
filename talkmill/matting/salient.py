"""The salient-object net on key frames, and its maps carried to the frames between by optical flow."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Float32Array, Frame
from talkmill.geometry.pyramid import Pyramid
from talkmill.inference.backend import Network

INPUT_SIDE = 320
# ImageNet statistics, RGB (U2-Net, data_loader.py).
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
# Against the net on every frame this moves the matte by 0.0006 in the mean, 0.0029 in the worst clip and 0.0073 in the
# worst frame, measured with a flow of 320 pixels (docs/decisions/0064-matting-recipe.md).
KEY_INTERVAL = 4
# The flow is found at this side: the maps are smooth.
FLOW_SIDE = 160


class SalientObject:
    """Runs u2netp over one clip."""

    def __init__(self, network: Network) -> None:
        """Create from u2netp."""
        self._network = network
        # Source: Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016.
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def maps(self, pyramids: Iterable[Pyramid], frame_count: int) -> Iterator[tuple[Pyramid, Float32Array]]:
        """Yield each frame's pyramid with its map.

        The net sees every fourth frame and the last. Between two of them each map is the mean of both, warped to the
        frame and weighted by nearness in time.

        Args:
            pyramids: Of the frames.
            frame_count: How many there are.

        Yields:
            A pyramid, and the map of the whole frame, 0 to 1, (320, 320) float32; at most KEY_INTERVAL frames late.
        """
        waiting: list[tuple[Pyramid, Frame]] = []
        before: tuple[Frame, Float32Array] | None = None
        for index, pyramid in enumerate(pyramids):
            grey = np.asarray(cv2.cvtColor(pyramid.resized((FLOW_SIDE, FLOW_SIDE)), cv2.COLOR_RGB2GRAY))
            if index % KEY_INTERVAL and index != frame_count - 1:
                waiting.append((pyramid, grey))
                continue
            after = (grey, self._run(pyramid.resized((INPUT_SIDE, INPUT_SIDE))))
            if before is not None:
                for step, (held, held_grey) in enumerate(waiting, start=1):
                    share = np.float32(step / (len(waiting) + 1))
                    earlier, later = self._warped(held_grey, before), self._warped(held_grey, after)
                    yield held, (1 - share) * earlier + share * later
            yield pyramid, after[1]
            waiting, before = [], after

    def _run(self, image: Frame) -> Float32Array:
        scaled = image.astype(np.float32) / max(1.0, float(image.max()))
        blob = ((scaled - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)[None].astype(np.float32)
        output: Float32Array = self._network.run({self._network.input_names[0]: blob})[0]
        return np.asarray(output[0, 0], np.float32)

    def _warped(self, grey: npt.NDArray[np.uint8], key: tuple[Frame, Float32Array]) -> Float32Array:
        """Bring the map of a key frame, given with its grey picture, to another frame."""
        flow = self._flow.calc(grey, key[0], None)
        larger = cv2.resize(flow, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_LINEAR)
        at = np.asarray(larger, np.float32) * np.float32(INPUT_SIDE / FLOW_SIDE) + _PIXELS
        return np.asarray(cv2.remap(key[1], at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


_PIXELS = np.dstack(np.meshgrid(np.arange(INPUT_SIDE), np.arange(INPUT_SIDE))).astype(np.float32)
