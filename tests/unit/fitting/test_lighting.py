"""Light and albedo out of colours."""

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.scenes.render import irradiance
from talkmill.fitting.lighting import estimate


def test_light_and_albedo_are_found() -> None:
    random = np.random.default_rng(0)
    light = np.zeros((9, 3))
    light[0], light[1:4] = 1, random.uniform(-0.25, 0.25, (3, 3))
    albedo = random.uniform(0.3, 0.7, (300, 3))
    rest = random.normal(size=(300, 3)) * [1, 1, 0.3] + [0, 0, 1.5]
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    turns = Rotation.from_rotvec(random.uniform(-0.5, 0.5, (60, 3))).as_matrix()
    normals = rest @ np.swapaxes(turns, 1, 2)
    shade = np.stack([irradiance(light, frame) for frame in normals])
    colours, turned = (np.swapaxes(array, 1, 2).astype(np.float32) for array in (albedo * shade, normals))
    found = estimate(colours, np.ones((60, 300), np.float32), turned)
    assert np.abs(found.light - light).max() < 0.05
    assert np.abs(found.albedo.T - albedo).max() < 0.03
