"""What the motion gate steadies, and what it leaves alone."""

import itertools

import numpy as np

from talkmill.matting.temporal import MotionGate


def test_flicker_on_a_still_picture_is_taken_out() -> None:
    random = np.random.default_rng(0)
    gate, guide = MotionGate(), np.full((40, 40), 0.5, np.float32)
    raw = [np.clip(0.5 + 0.2 * random.standard_normal((40, 40)), 0, 1).astype(np.float32) for _ in range(60)]
    smooth = [gate.smooth(alpha, guide) for alpha in raw]
    flicker = np.mean([np.abs(after - before).mean() for before, after in itertools.pairwise(smooth)])
    noise = np.mean([np.abs(after - before).mean() for before, after in itertools.pairwise(raw)])
    assert flicker < 0.4 * noise


def test_a_moving_edge_leaves_nothing_behind() -> None:
    gate = MotionGate()
    for step in range(12):
        edge = 5 + 3 * step
        guide = np.zeros((40, 60), np.float32)
        guide[:, :edge] = 0.8
        alpha = (guide > 0).astype(np.float32)
        found = gate.smooth(alpha, guide)
        assert np.abs(found - alpha)[:, edge - 3 : edge + 3].max() < 1e-6
