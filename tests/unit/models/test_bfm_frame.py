"""How a head is brought into BFM's frame."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkmill.models.export.bfm_frame import ICT, MAKEHUMAN, IntoBfmFrame


@pytest.mark.parametrize("frame", [MAKEHUMAN, ICT])
def test_offsets_move_with_points(frame: IntoBfmFrame) -> None:
    random = np.random.default_rng(2)
    points, modes = random.normal(size=(9, 3)).astype(np.float32), random.normal(size=(9, 3, 4)).astype(np.float32)
    moved = frame.points(points + modes[..., 2])
    assert moved == pytest.approx(frame.points(points) + frame.modes(modes)[..., 2], abs=1e-5)
    turn = Rotation.from_euler("x", frame.pitch_degrees, degrees=True)
    assert frame.points(points) == pytest.approx(frame.scale * turn.apply(points) + [0, *frame.shift], abs=1e-5)
