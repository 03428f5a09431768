"""A made-up clip for previews: a face of points that does not move."""

import numpy as np

from talkmill.landmarks.mesh import IRISES
from talkmill.preview.clip import Eyes, PreviewedClip

SIZE, FRAMES = 128, 40


def face() -> np.ndarray:
    """68 points, roughly where a face has them in a crop of SIZE."""
    points = np.zeros((68, 2), np.float32)
    angles = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([64 + 36 * np.cos(angles), 60 + 44 * np.sin(angles)], axis=1)
    points[17:27] = np.stack([np.linspace(36, 92, 10), np.full(10, 42)], axis=1)
    points[27:36] = np.stack([np.linspace(60, 68, 9), np.linspace(52, 76, 9)], axis=1)
    for start, middle in ((36, 48), (42, 80)):
        turns = np.linspace(np.pi, 3 * np.pi, 6, endpoint=False)
        points[start : start + 6] = np.stack([middle + 8 * np.cos(turns), 54 + 3 * np.sin(turns)], axis=1)
    for start, count, size in ((48, 12, 14), (60, 8, 10)):
        turns = np.linspace(np.pi, 3 * np.pi, count, endpoint=False)
        points[start : start + count] = np.stack([64 + size * np.cos(turns), 86 + size / 3 * np.sin(turns)], axis=1)
    return points


def clip(eyes: bool = True, count: int = FRAMES) -> PreviewedClip:
    """Return a clip that is measured, fits, and blinks once, in frame 10."""
    points = np.repeat(face()[None], count, axis=0)
    opening = np.full((count, 2), 0.3, np.float32)
    opening[10:11] = 0.02
    mesh = np.full((count, 478, 2), 64, np.float32)
    for iris, middle in zip(IRISES, (48, 80), strict=True):
        mesh[:, iris] = np.float32([middle, 54]) + np.float32([[0, 0], [4, 0], [0, -4], [-4, 0], [0, 4]])
    return PreviewedClip(
        rate=25.0,
        points=points,
        confidence=np.ones((count, 68), np.float32),
        measured=np.ones(count, bool),
        valid=np.ones(count, bool),
        error=np.ones(count),
        eyes=Eyes(mesh, opening) if eyes else None,
    )
