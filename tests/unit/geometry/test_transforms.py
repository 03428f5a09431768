import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.geometry.transforms import apply, image_from_square, similarity_from_points


@given(st.floats(-3, 3), st.floats(0.1, 5), st.floats(-50, 50), st.floats(-50, 50))
def test_a_similarity_is_found_again(angle: float, scale: float, x: float, y: float) -> None:
    source = np.random.default_rng(0).normal(size=(10, 2))
    matrix = np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), x],
            [scale * np.sin(angle), scale * np.cos(angle), y],
            [0, 0, 1],
        ]
    )
    assert np.allclose(similarity_from_points(source, apply(matrix, source)), matrix, atol=1e-6)


def test_points_that_coincide_have_no_similarity() -> None:
    with pytest.raises(ValueError, match="coincide"):
        similarity_from_points(np.ones((5, 2)), np.ones((5, 2)))


@pytest.mark.parametrize(("side", "size"), [(64, 32), (32, 64), (50, 50), (96, 128)])
def test_pixels_of_a_resized_square_map_as_opencv_resizes(side: int, size: int) -> None:
    ramp = np.tile(np.arange(200, dtype=np.float32), (200, 1))
    x0, y0 = 20, 30
    crop = cv2.resize(ramp[y0 : y0 + side, x0 : x0 + side], (size, size), interpolation=cv2.INTER_LINEAR)
    pixels = np.array([[size // 4, size // 2], [size // 2, size // 3]], float)
    mapped = apply(image_from_square(x0, y0, side, size), pixels)
    # On a ramp the value of a pixel is the column that it shows.
    assert np.allclose(crop[pixels[:, 1].astype(int), pixels[:, 0].astype(int)], mapped[:, 0], atol=0.05)
