from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkmill.video.decode import read_video
from talkmill.video.join import join_streams

FRAMES = 50


def with_b_frames(path: Path) -> Path:
    """A video whose pictures are coded out of order: its first packets come before the time 0."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"bf": "2", "g": "12"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for index in range(FRAMES):
            image = np.full((64, 64, 3), 40 + 4 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def with_tone(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        samples = (8000 * np.sin(np.arange(32000) / 4)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_pictures_that_are_coded_out_of_order_are_all_joined(tmp_path: Path, suffix: str) -> None:
    picture, sound = with_b_frames(tmp_path / "picture.mp4"), with_tone(tmp_path / "sound.m4a")
    joined = tmp_path / f"joined{suffix}"
    join_streams(picture, sound, joined)
    before = [float(image.mean()) for image in read_video(picture)]
    after = [float(image.mean()) for image in read_video(joined)]
    assert len(before) == FRAMES
    assert after == before
