"""What a hostile or broken source can cost, and what a served stage takes at all."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from services.download.settings import forget_proxies
from talkmill.inference.runtime import cpu_runtime
from talkmill.models.repository import ModelRepository
from talkmill.sample import SampleTruth
from talkmill.sound.audio import SAMPLE_RATE, read_sound
from talkmill.stages.download.messages import DownloadInputs
from talkmill.stages.download.stage import DownloadStage
from talkmill.stages.errors import DownloadRefusedError, NotAVideoError, VideoTooLargeError
from talkmill.stages.harness import StageHarness
from talkmill.stages.split.messages import SplitInputs
from talkmill.stages.split.stage import SplitStage
from talkmill.video.limits import VideoLimits
from talkmill.video.packets import index_packets


@pytest.mark.parametrize(
    ("limits", "told"),
    [(VideoLimits(max_pixels=100), "more than 100 pixels"), (VideoLimits(max_frames=10), "more than 10 frames"), (VideoLimits(max_seconds=1), "more than 1 seconds")],
)  # fmt: skip
def test_a_source_beyond_the_limits_is_refused(
    limits: VideoLimits, told: str, models: ModelRepository, sample: tuple[Path, SampleTruth], tmp_path: Path
) -> None:
    harness = StageHarness(tmp_path)
    stage = SplitStage(models.ensure("faceboxes-v2", "face_detection"), cpu_runtime(2), limits)
    source = harness.put(sample[0], "video/mp4")
    for _ in range(2):
        # The verdict is the installation's, not the video's: it is not kept.
        with pytest.raises(VideoTooLargeError, match=told):
            harness.run(stage, SplitInputs(source))
    assert not list((tmp_path / "work/split").rglob("manifest.json"))


def test_frames_beyond_what_a_header_says_are_counted() -> None:
    """A header may lie: what is decoded is counted too."""
    limits = VideoLimits(max_frames=10)
    limits.check_length(10, 1)
    with pytest.raises(ValueError, match="10 frames"):
        limits.check_length(11, 1)
    with pytest.raises(ValueError, match="seconds"):
        limits.check_length(1, 13 * 3600)


def test_sound_is_read_where_it_is_wanted_and_not_beyond(sample: tuple[Path, SampleTruth], tmp_path: Path) -> None:
    index = index_packets(sample[0])
    whole, part = tmp_path / "whole.raw", tmp_path / "part.raw"
    read = [read_sound(sample[0], index, path, windows) for path, windows in ((whole, None), (part, [(1.5, 2.5)]))]
    assert part.stat().st_size < 2.3 * SAMPLE_RATE * 4 < whole.stat().st_size
    cuts = [sound.cut(1.5, 25, Fraction(25)) for sound in read if sound is not None]
    # A run of sound begins on a whole sample: two runs may differ by half a one.
    one, other = (cut.samples.astype(float) for cut in cuts)
    lags = np.correlate(one, other[10:-10], "valid")
    assert abs(int(np.argmax(lags)) - 10) <= 1


@pytest.mark.parametrize(
    "uri", ["/etc/passwd", "file:///etc/passwd", "video.mp4", "ftp://example.com/a.mp4", "concat:/etc/passwd"]
)
def test_a_served_download_takes_no_paths(uri: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadRefusedError, match="not an http"):
        StageHarness(tmp_path).run(DownloadStage(files=False), DownloadInputs(uri))


def test_an_upload_is_the_source_as_it_is(sample: tuple[Path, SampleTruth], tmp_path: Path) -> None:
    harness = StageHarness(tmp_path)
    upload = harness.put(sample[0], "application/octet-stream")
    outputs = harness.run(DownloadStage(files=False), DownloadInputs("talk.mp4", upload=upload)).outputs
    assert outputs.source == upload
    assert outputs.provenance == {"uri": "talk.mp4"}
    (tmp_path / "empty").write_bytes(b"")
    empty = harness.put(tmp_path / "empty", "application/octet-stream")
    with pytest.raises(NotAVideoError, match="empty"):
        harness.run(DownloadStage(files=False), DownloadInputs("empty.mp4", upload=empty))


def test_proxies_of_the_environment_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "no_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example")
    forget_proxies()
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]
