"""What the motion gate steadies, and what it leaves alone."""

import itertools

import numpy as np

from talkmill.matting.temporal import MotionGate


def test_flicker_on_a_still_picture_is_taken_out() -> None:
    random = np.random.default_rng(0)
    gate, picture = MotionGate(), np.full((40, 40, 3), 0.5, np.float32)
    raw = [np.clip(0.5 + 0.2 * random.standard_normal((40, 40)), 0, 1).astype(np.float32) for _ in range(60)]
    smooth = [gate.smooth(alpha, picture) for alpha in raw]
    flicker = np.mean([np.abs(after - before).mean() for before, after in itertools.pairwise(smooth)])
    noise = np.mean([np.abs(after - before).mean() for before, after in itertools.pairwise(raw)])
    assert flicker < 0.4 * noise


def test_an_edge_that_moves_in_one_channel_leaves_nothing_behind() -> None:
    gate = MotionGate()
    for step in range(12):
        edge = 5 + 3 * step
        picture = np.full((40, 60, 3), 0.4, np.float32)
        picture[:, :edge, 2] = 0.8
        alpha = (picture[..., 2] > 0.6).astype(np.float32)
        found = gate.smooth(alpha, picture)
        assert np.abs(found - alpha)[:, edge - 3 : edge + 3].max() < 1e-6


def test_what_appears_on_a_still_picture_is_taken_at_once_and_a_waver_is_not() -> None:
    picture = np.full((40, 40, 3), 0.5, np.float32)
    for height, found in ((1.0, 1.0), (0.1, 0.025)):
        gate = MotionGate()
        gate.smooth(np.zeros((40, 40), np.float32), picture)
        assert np.allclose(gate.smooth(np.full((40, 40), height, np.float32), picture), found, atol=1e-6)
