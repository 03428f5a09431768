"""A pyramid shows what lies where a transform says, whatever was halved before."""

import cv2
import numpy as np
import pytest

from talkmill.geometry.pyramid import Pyramid

WIDTH, HEIGHT = 223, 181
X, Y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
# Levels say where each pixel is: red grows to the right, green downwards.
PLACES = np.stack([X, Y, np.full_like(X, 90)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("step", [(0.5, 0.5), (1.0, 1.0), (2.0, 1.0), (1.3, 4.2), (5.0, 2.5), (9.0, 9.0)])
def test_a_sample_shows_what_lies_there(step: tuple[float, float]) -> None:
    size = (int(150 / step[0]), int(120 / step[1]))
    matrix = np.array([[step[0], 0, 30.2], [0, step[1], 25.7], [0, 0, 1]])
    pyramid = Pyramid(PLACES)
    # What other samples asked for changes nothing.
    pyramid.sample(np.diag([8.0, 2.0, 1.0]), (20, 20), border=cv2.BORDER_CONSTANT)
    shown = pyramid.sample(matrix, size, border=cv2.BORDER_CONSTANT)
    assert shown.shape == (size[1], size[0], 3)
    assert np.abs(shown[..., 0] - (30.2 + step[0] * np.arange(size[0]))).max() <= 1
    assert np.abs(shown[..., 1] - (25.7 + step[1] * np.arange(size[1]))[:, None]).max() <= 1


@pytest.mark.parametrize(("border", "beside"), [(cv2.BORDER_CONSTANT, 0), (cv2.BORDER_REPLICATE, 90)])
@pytest.mark.parametrize("step", [1.0, 2.5, 7.0])
def test_outside_the_picture_lies_its_border(border: int, beside: int, step: float) -> None:
    matrix = np.array([[step, 0, -20 * step], [0, step, -20 * step], [0, 0, 1]])
    shown = Pyramid(PLACES).sample(matrix, (12, 12), border=border)
    assert (shown[..., 2] == beside).all()


@pytest.mark.parametrize("size", [(223, 181), (111, 181), (64, 64), (37, 45), (7, 90), (300, 300)])
def test_the_whole_picture_at_another_size_keeps_its_ends(size: tuple[int, int]) -> None:
    shown = Pyramid(PLACES).resized(size)
    assert shown.shape == (size[1], size[0], 3)
    wanted = [
        (np.arange(count) + 0.5) / count * length - 0.5 for count, length in zip(size, (WIDTH, HEIGHT), strict=True)
    ]
    # Only the last pixels may show their neighbours: a last odd row or column is left out.
    assert np.abs(shown[..., 0] - wanted[0])[:, :-1].max() <= 1
    assert np.abs(shown[..., 1] - wanted[1][:, None])[:-1].max() <= 1


def test_fine_stripes_become_their_mean() -> None:
    stripes = np.where(np.arange(400) % 2, 255, 0)[None, :, None].repeat(400, 0).repeat(3, 2).astype(np.uint8)
    shown = Pyramid(stripes).resized((133, 133))
    assert shown.min() >= 126
    assert shown.max() <= 129


def test_a_turned_sample_is_averaged_along_the_side_that_it_strides_over() -> None:
    stripes = np.where(np.arange(400) % 2, 255, 0)[None, :, None].repeat(400, 0).repeat(3, 2).astype(np.uint8)
    # Each row of the sample is four columns of the picture farther.
    shown = Pyramid(stripes).sample(np.array([[0.0, 4, 8], [1, 0, 8], [0, 0, 1]]), (90, 90), border=cv2.BORDER_CONSTANT)
    assert shown.min() >= 126
    assert shown.max() <= 129


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 500)])
def test_a_picture_of_few_pixels_is_sampled(shape: tuple[int, int]) -> None:
    frame = np.full((*shape, 3), 200, np.uint8)
    assert (Pyramid(frame).sample(np.diag([9.0, 9.0, 1.0]), (30, 30), border=cv2.BORDER_REPLICATE) == 200).all()
