"""Coefficients by a network, from the picture: Deep3DFaceRecon's regressor.

Source: Deng et al., "Accurate 3D face reconstruction with weakly-supervised learning", CVPRW 2019; preprocessing of the
authors' code.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from talkmill.arrays import Float32Array, Frame
from talkmill.fitting.alignment import Alignment
from talkmill.geometry.conventions import COARSE_SIZE
from talkmill.inference.backend import Network

# The last one is filled up: a runtime prepares itself for one shape.
BATCH = 8


def regress(network: Network, frames: Iterable[Frame], alignments: list[Alignment]) -> Iterator[Float32Array]:
    """Regress frame by frame, in batches.

    Args:
        network: (N, 3, 224, 224) RGB in 0..1 to (N, 257).
        frames: RGB, square, uint8.
        alignments: One for each frame.

    Yields:
        (B, 257) float32, in the order of the frames.

    Raises:
        ValueError: There are more or fewer frames than alignments.
    """
    batch: list[Float32Array] = []
    for frame, alignment in zip(frames, alignments, strict=True):
        batch.append(aligned(frame, alignment))
        if len(batch) == BATCH:
            yield _run(network, batch)
            batch = []
    if batch:
        yield _run(network, batch)


def aligned(frame: Frame, alignment: Alignment) -> Float32Array:
    """Cut the aligned crop, (3, 224, 224) in 0..1; sizes and edges are cut to whole pixels as the authors' are."""
    width, height, scale, t0, t1 = alignment.parameters
    size = int(width * scale), int(height * scale)
    left = int(size[0] / 2 - COARSE_SIZE / 2 + (t0 - width / 2) * scale)
    top = int(size[1] / 2 - COARSE_SIZE / 2 + (height / 2 - t1) * scale)
    resized = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
    crop = resized.crop((left, top, left + COARSE_SIZE, top + COARSE_SIZE))
    return np.asarray(crop, np.float32).transpose(2, 0, 1) / np.float32(255)


def _run(network: Network, batch: list[Float32Array]) -> Float32Array:
    filled = np.zeros((BATCH, *batch[0].shape), np.float32)
    filled[: len(batch)] = batch
    (coefficients,) = network.run({network.input_names[0]: filled})
    return coefficients[: len(batch)]
