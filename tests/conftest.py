"""Fixtures: the models, the sample clip, and small videos made on the spot."""

from talkmill.environment import quiet_libraries

# Native libraries read the environment when they are loaded.
quiet_libraries()

import signal
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import settings

from deploy.local.cluster import free_port
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.settings import Settings
from talkmill.sample import SampleTruth, write_sample

# A shell ignores SIGINT for what it starts in the background, and so would all processes of these tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Machines are shared: how long one example takes says nothing.
settings.register_profile("shared", deadline=None, derandomize=True)
settings.load_profile("shared")

ASSETS = Path(__file__).parents[2] / "shared" / "assets"


pytest_plugins = ["tests.needs", "tests.servers"]


@pytest.fixture(scope="session", name="free_port")
def _free_port() -> Callable[[], int]:
    return free_port


@pytest.fixture(scope="session")
def models() -> ModelRepository:
    chosen = Settings().models
    return ModelRepository(chosen.directory, chosen.mirror)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleTruth]:
    path = tmp_path_factory.mktemp("sample") / "sample.mp4"
    return path, write_sample(path)


@pytest.fixture(scope="session")
def assets() -> Path:
    """Real videos, labelled photographs and published files, which are not part of the project."""
    if not ASSETS.is_dir():
        pytest.skip("the test assets are not beside this clone, in ../shared/assets")
    return ASSETS


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Write frames to a video: name, frames, then codec, pixel format, rate, times in 1/rate, rotation."""

    def write(
        name: str,
        frames: list[np.ndarray],
        codec: str = "mpeg4",
        pixel_format: str = "yuv420p",
        rate: int = 25,
        times: list[int] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = pixel_format
            if codec == "mpeg4":
                stream.options = {"qmin": "1", "qmax": "2"}
            for index, image in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                frame.pts = times[index] if times else index
                frame.time_base = Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def noise_frames() -> Callable[..., list[np.ndarray]]:
    def make(count: int, height: int = 64, width: int = 96, seed: int = 0) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        base = random.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
        image = np.kron(base, np.ones((8, 8, 1), np.uint8))
        return [np.roll(image, index, axis=1) for index in range(count)]

    return make
