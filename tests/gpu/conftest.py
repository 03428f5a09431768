"""Tests that need an NVIDIA GPU: `make gpu-test`. Without one they say "not run"."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from talkmill.inference.runtime import available_providers


def gpu_providers() -> list[str]:
    """Return the providers of this machine that run on a GPU."""
    return [name for name in available_providers() if name in ("cuda", "tensorrt")] if torch.cuda.is_available() else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    mark = pytest.mark.skip(reason="not run: no GPU here")
    for item in items:
        if "tests/gpu/" in str(item.path) and not gpu_providers():
            item.add_marker(mark)


@pytest.fixture(scope="session")
def images() -> npt.NDArray[np.uint8]:
    """Smooth pictures with edges, as networks see them: noise alone would hide a difference."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:480, :640]
    frames = []
    for _ in range(4):
        centre, colour = random.uniform(100, 380, 2), random.uniform(0, 255, 3)
        inside = ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < 90**2)[..., None]
        frames.append(np.where(inside, colour, 60 + rows[..., None] / 4 + random.normal(0, 4, (480, 640, 3))))
    return np.clip(np.stack(frames), 0, 255).astype(np.uint8)
