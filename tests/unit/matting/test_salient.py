"""Maps between the key frames of the salient-object net."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from talkmill.geometry.pyramid import Pyramid
from talkmill.matting.salient import SalientObject
from tests.unit.matting.networks import SalientOf


def walk(count: int) -> list[np.ndarray]:
    """A red square that walks over a textured ground, 6 pixels of 320 a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    ground = cv2.resize(noise, (320, 320), interpolation=cv2.INTER_CUBIC)
    cloth = cv2.resize(noise[:12, :12], (80, 80), interpolation=cv2.INTER_CUBIC)
    frames = []
    for index in range(count):
        frame = np.dstack([np.zeros_like(ground), ground, ground])
        frame[120:200, 60 + 6 * index : 140 + 6 * index] = np.dstack([np.full_like(cloth, 255), cloth, cloth])
        frames.append(frame)
    return frames


def test_maps_between_key_frames_follow_what_moves() -> None:
    network = SalientOf(0)
    frames = walk(11)
    maps = [found for _, found in SalientObject(network).maps(map(Pyramid, frames), len(frames))]
    # Frames 0, 4, 8 and the last.
    assert network.run_count == 4
    truths = [frame[..., 0] / 255 for frame in frames]
    # Without warping the mean of maps 12 pixels before and after is half wrong in 2 x 24 x 80 pixels. What stays is
    # the border of what moves, 4 to 8 pixels wide in the flow.
    for truth, found in zip(truths, maps, strict=True):
        assert np.abs(found - truth).sum() < 0.65 * (24 * 80)


@pytest.mark.parametrize("count", [1, 2, 5, 6, 8])
def test_every_frame_comes_out_in_order_and_few_are_held(count: int) -> None:
    read = 0

    def reading() -> Iterator[np.ndarray]:
        nonlocal read
        for value in range(count):
            read += 1
            yield np.full((20, 30, 3), value, np.uint8)

    for index, (pyramid, found) in enumerate(SalientObject(SalientOf(0)).maps(map(Pyramid, reading()), count)):
        assert pyramid.frame[0, 0, 0] == index
        assert found.shape == (320, 320)
        assert read - index <= 5
    assert index == count - 1
