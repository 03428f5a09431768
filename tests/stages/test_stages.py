"""Stages through the harness, on short clips: what they read, write and refuse."""

import functools
import http.server
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from talkmill.inference.runtime import cpu_runtime
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.models.repository import ModelRepository
from talkmill.sample import SampleTruth
from talkmill.stages.download.messages import DownloadInputs
from talkmill.stages.download.stage import DownloadStage
from talkmill.stages.errors import (
    CancelledError,
    ClipTooShortError,
    DownloadFailedError,
    DownloadRefusedError,
    FaceTooSmallError,
    FrameContractError,
    GeoBlockedError,
    InputMissingError,
    LandmarksInvalidError,
    NoFaceError,
    NoFramesError,
    RangeOutsideError,
    VideoRemovedError,
)
from talkmill.stages.harness import StageHarness
from talkmill.stages.landmarks.messages import LandmarksInputs, LandmarksOutputs
from talkmill.stages.landmarks.stage import LandmarksStage, networks_of
from talkmill.stages.matting.messages import MattingInputs
from talkmill.stages.matting.stage import MattingStage
from talkmill.stages.records import ClipFaceMesh, ClipLandmarks, CropGeometry, FaceTrack
from talkmill.stages.split.messages import CutClip, SplitInputs, SplitOutputs, SplitParameters, TimeRange
from talkmill.stages.split.stage import SplitStage
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_video
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import ImageWriter
from tests.media import RATE, Recording, record, spoil, whole_table
from tests.sites import serving


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness(tmp_path)


@pytest.fixture(scope="module")
def split(models: ModelRepository) -> SplitStage:
    return SplitStage(models.ensure("faceboxes-v2", "face_detection"), cpu_runtime(2))


@pytest.fixture(scope="module")
def sample_frames(sample: tuple[Path, SampleTruth]) -> list[np.ndarray]:
    return [frame for _, frame in zip(range(40), read_video(sample[0]), strict=False)]


def run_split(harness: StageHarness, split: SplitStage, path: Path, **parameters: object) -> SplitOutputs:
    return harness.run(split, SplitInputs(harness.put(path, "video/mp4"), SplitParameters(**parameters))).outputs


def frames_of(harness: StageHarness, clip: CutClip) -> list[np.ndarray]:
    table = FrameTable.load(harness.store.fetch(clip.frame_table))
    return list(read_clip(harness.store.fetch(clip.video), table))


def test_a_damaged_source_gives_a_clip_of_the_frames_that_decode(
    harness: StageHarness, split: SplitStage, assets: Path
) -> None:
    """158 packets, of which an edit list shows 55."""
    (clip,) = run_split(harness, split, assets / "videos" / "3ddfa_obama.mp4").clips
    assert len(frames_of(harness, clip)) == clip.frame_count == 55


def test_a_clip_of_a_whole_source_is_the_source(
    harness: StageHarness, split: SplitStage, sample: tuple[Path, SampleTruth]
) -> None:
    (clip,) = run_split(harness, split, sample[0]).clips
    assert harness.store.fetch(clip.video).read_bytes() == sample[0].read_bytes()
    frames = frames_of(harness, clip)
    assert clip.frame_count == len(frames) == 100
    assert all(np.array_equal(one, other) for one, other in zip(frames, read_video(sample[0]), strict=True))


def test_a_range_is_cut_at_its_frames(
    harness: StageHarness, split: SplitStage, sample: tuple[Path, SampleTruth]
) -> None:
    (clip,) = run_split(harness, split, sample[0], ranges=(TimeRange(1.0, 2.4),)).clips
    assert clip.start_seconds == 1.0
    assert clip.frame_count == 35
    source = [frame for index, frame in enumerate(read_video(sample[0])) if index == 25]
    assert np.array_equal(frames_of(harness, clip)[0], source[0])


def test_clips_of_a_recording_without_key_frames_are_decoded_from_further_back(
    harness: StageHarness, split: SplitStage, sample: tuple[Path, SampleTruth], tmp_path: Path
) -> None:
    """Intra refresh: what is marked as key frames is none, and pictures are whole only some packets later."""
    options = {"crf": "12", "preset": "ultrafast", "bf": "0", "g": "50", "intra-refresh": "1"}
    with Recording(tmp_path / "a.mkv", options=options) as recording:
        for number, image in zip(range(130), read_video(sample[0]), strict=False):
            recording.picture(image, number / RATE)
    expected = list(read_video(tmp_path / "a.mkv"))
    ranges = (TimeRange(0.4, 1.6), TimeRange(2.4, 3.6))
    clips = run_split(harness, split, tmp_path / "a.mkv", ranges=ranges).clips
    for clip, first in zip(clips, (10, 60), strict=True):
        found = frames_of(harness, clip)
        assert len(found) == 30
        assert all(np.array_equal(one, other) for one, other in zip(found, expected[first:], strict=False))


def test_a_range_that_holds_nothing_is_told_beside_one_that_does(
    harness: StageHarness, split: SplitStage, sample: tuple[Path, SampleTruth]
) -> None:
    found = run_split(harness, split, sample[0], ranges=(TimeRange(0, 1.2), TimeRange(60, 90), TimeRange(2.001, 2.002)))
    assert len(found.clips) == 1
    assert [note for note in found.notes if "asked for" in note] == [
        f"no frame lies in {part}, which was asked for: the last frame of the video stands at 3.96 s"
        for part in ("60 to 90 s", "2.001 to 2.002 s")
    ]


def test_a_variable_rate_becomes_constant(
    harness: StageHarness, split: SplitStage, sample_frames: list[np.ndarray], make_video: Callable[..., Path]
) -> None:
    times = [index for index in range(60) if index % 3 != 1][:40]
    path = make_video("vfr.mkv", sample_frames, times=times)
    (clip,) = run_split(harness, split, path).clips
    assert clip.frame_count == times[-1] + 1
    assert clip.measurements["repeated_frame_count"] == times[-1] + 1 - 40
    assert len(frames_of(harness, clip)) == clip.frame_count


@pytest.mark.parametrize(("fps", "count"), [("25", 33), ("source", 40), ("15", 20)])
def test_thirty_frames_a_second(
    harness: StageHarness,
    split: SplitStage,
    sample_frames: list[np.ndarray],
    make_video: Callable[..., Path],
    fps: str,
    count: int,
) -> None:
    (clip,) = run_split(harness, split, make_video("a.mp4", sample_frames, rate=30), fps=fps).clips
    assert clip.frame_count == count


def test_odd_sizes_lose_their_last_row_and_column(
    harness: StageHarness, split: SplitStage, sample_frames: list[np.ndarray], make_video: Callable[..., Path]
) -> None:
    odd = [frame[:511, 200:999] for frame in sample_frames]
    (clip,) = run_split(harness, split, make_video("odd.mkv", odd, "ffv1", "bgr0", rate=30)).clips
    assert (clip.width, clip.height) == (799, 511)
    assert frames_of(harness, clip)[0].shape == (511, 799, 3)


def test_ten_bits_are_read(
    harness: StageHarness, split: SplitStage, sample_frames: list[np.ndarray], make_video: Callable[..., Path]
) -> None:
    path = make_video("ten.mp4", sample_frames, "libx265", "yuv420p10le")
    (clip,) = run_split(harness, split, path).clips
    assert clip.frame_count == 40


def test_a_cut_makes_two_clips(
    harness: StageHarness, split: SplitStage, sample_frames: list[np.ndarray], make_video: Callable[..., Path]
) -> None:
    mirrored = [255 - frame[:, ::-1] // 2 for frame in sample_frames]
    outputs = run_split(harness, split, make_video("cut.mp4", sample_frames + mirrored), min_seconds=0.5)
    assert outputs.clips[0].frame_count == 40
    assert any("scene cut" in note for note in outputs.notes)


def test_a_face_that_leaves_ends_its_clip(
    harness: StageHarness, split: SplitStage, sample_frames: list[np.ndarray], make_video: Callable[..., Path]
) -> None:
    empty = np.full_like(sample_frames[0], 90)
    path = make_video("leaves.mp4", sample_frames + [empty] * 30)
    (clip,) = run_split(harness, split, path).clips
    assert 38 <= clip.frame_count <= 41


def test_what_breaks_a_rule_is_rejected_with_its_measure(
    harness: StageHarness, split: SplitStage, sample_frames: list[np.ndarray], make_video: Callable[..., Path]
) -> None:
    path = make_video("a.mp4", sample_frames)
    with pytest.raises(ClipTooShortError) as short:
        run_split(harness, split, path, min_seconds=3.0)
    assert (short.value.measure, short.value.threshold) == (pytest.approx(1.6), 3.0)
    with pytest.raises(FaceTooSmallError) as small:
        run_split(harness, split, path, min_face_pixels=400.0)
    assert 100 < small.value.measure < 300
    with pytest.raises(NoFaceError, match="no face"):
        run_split(harness, split, make_video("grey.mp4", [np.full((128, 128, 3), 90, np.uint8)] * 30))


def test_two_faces_the_larger_is_followed(
    harness: StageHarness, split: SplitStage, sample_frames: list[np.ndarray], make_video: Callable[..., Path]
) -> None:
    import cv2

    both = []
    for frame in sample_frames:
        image = frame.copy()
        image[360:720, :640] = cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA)
        both.append(image)
    (clip,) = run_split(harness, split, make_video("two.mp4", both)).clips
    assert clip.measurements["other_face_count"] == 1
    assert "1 other face:" in clip.notes[0]
    assert FaceTrack.load(harness.store.fetch(clip.face_track)).boxes[:, 1].max() < 360


def test_a_range_outside_the_video_is_named(
    harness: StageHarness, split: SplitStage, sample: tuple[Path, SampleTruth]
) -> None:
    video = harness.put(sample[0], "video/mp4")
    with pytest.raises(
        RangeOutsideError, match=r"no frame lies in 60 to 90 s, .* the last frame of the video stands at 3\.96 s"
    ):
        harness.run(split, SplitInputs(video, SplitParameters(ranges=(TimeRange(60, 90),))))


def test_a_video_without_a_face_says_how_much_was_looked_at(
    harness: StageHarness, split: SplitStage, make_video: Callable[..., Path]
) -> None:
    frames = [np.full((180, 320, 3), 40 + 160 * (number // 10 % 2), np.uint8) for number in range(40)]
    with pytest.raises(NoFaceError, match=r"no face is seen in any of 4 shots, 40 frames in all"):
        run_split(harness, split, make_video("grey.mp4", frames))


def test_damage_is_named_where_nothing_is_left(harness: StageHarness, split: SplitStage, tmp_path: Path) -> None:
    options = {"crf": "12", "preset": "ultrafast", "bf": "0", "g": "20", "sc_threshold": "0"}
    path = spoil(record(tmp_path / "a.mp4", np.arange(60) / RATE, options=options), 20)
    with pytest.raises(
        NoFaceError,
        match=r"no face is seen in any of 2 shots, .*; damaged file: 20 undecodable frames left out, 40 kept",
    ):
        run_split(harness, split, path)
    with pytest.raises(NoFramesError, match=r"^no frame in 1 to 1\.4 s, which was asked for, decodes$"):
        run_split(harness, split, path, ranges=(TimeRange(1.0, 1.4),))


def test_cancelled_work_stops_and_leaves_nothing(
    harness: StageHarness, split: SplitStage, sample: tuple[Path, SampleTruth], tmp_path: Path
) -> None:
    calls = iter([False] * 10 + [True] * 1000)
    inputs = SplitInputs(harness.put(sample[0], "video/mp4"))
    with pytest.raises(CancelledError, match="cancelled after"):
        harness.run(split, inputs, cancelled=lambda: next(calls))
    assert not (tmp_path / "work/split").exists()


def test_a_track_of_another_length_breaks_the_contract(
    harness: StageHarness,
    models: ModelRepository,
    make_video: Callable[..., Path],
    sample_frames: list[np.ndarray],
    tmp_path: Path,
) -> None:
    stage = MattingStage({"selfie-256": models.ensure("selfie-256", "matting_part")}, cpu_runtime(2))
    boxes = np.tile(np.array([560, 200, 700, 380], np.float32), (5, 1))
    FaceTrack(boxes, np.ones(5, np.float32)).save(tmp_path / "track.npz")
    path = make_video("a.mp4", sample_frames[:3])
    whole_table(path).save(tmp_path / "table.npz")
    video, table = harness.put(path, "video/mp4"), harness.put(tmp_path / "table.npz", "application/x-npz")
    track = harness.put(tmp_path / "track.npz", "application/x-npz")
    from talkmill.stages.matting.messages import MattingParameters

    with pytest.raises(FrameContractError, match="the clip has 3 frames, its face track has 5"):
        harness.run(stage, MattingInputs(video, table, track, "25", parameters=MattingParameters("draft")))


def _landmarks_stage(models: ModelRepository, choice: str) -> LandmarksStage:
    networks = {name: models.ensure(name, "landmarks", "face_embedding") for name in networks_of(choice)}
    return LandmarksStage(choice, networks, cpu_runtime(2))


def test_landmarks_on_nothing_are_invalid(harness: StageHarness, models: ModelRepository, tmp_path: Path) -> None:
    stage = _landmarks_stage(models, "face-api-68")
    with ImageWriter(tmp_path / "w.zip") as writer:
        for _ in range(4):
            writer.write(np.full((128, 128, 3), 255, np.uint8))
    frames = harness.put(tmp_path / "w.zip", "application/zip")
    boxes = np.tile(np.array([30, 30, 100, 100], np.float32), (4, 1))
    CropGeometry(np.eye(3), boxes, np.zeros(4, bool)).save(tmp_path / "g.npz")
    with pytest.raises(LandmarksInvalidError, match=r"100% of 4 frames; the longest gap is from 0\.00 to 0\.16 s"):
        harness.run(stage, LandmarksInputs(frames, harness.put(tmp_path / "g.npz", "npz"), "25"))


def _landmarks_of(
    harness: StageHarness, stage: LandmarksStage, pictures: list[np.ndarray], folder: Path
) -> LandmarksOutputs:
    """Run the stage on pictures of the sample's face."""
    with ImageWriter(folder / "w.zip") as writer:
        for picture in pictures:
            writer.write(picture)
    boxes = np.tile(np.array([560, 200, 700, 380], np.float32), (len(pictures), 1))
    CropGeometry(np.eye(3), boxes, np.ones(len(pictures), bool)).save(folder / "g.npz")
    frames, geometry = harness.put(folder / "w.zip", "application/zip"), harness.put(folder / "g.npz", "npz")
    outputs = harness.run(stage, LandmarksInputs(frames, geometry, "25")).outputs
    assert isinstance(outputs, LandmarksOutputs)
    return outputs


def test_landmarks_of_a_face_come_with_its_mesh(
    harness: StageHarness, models: ModelRepository, sample_frames: list[np.ndarray], tmp_path: Path
) -> None:
    stage = _landmarks_stage(models, DEFAULT_MODELS.landmarks)
    assert {version.id for version in stage.models} == {"face-mesh-478", "face-api-68", "face-api-embedding"}
    outputs = _landmarks_of(harness, stage, sample_frames[:3], tmp_path)
    assert outputs.face_mesh is not None
    landmarks = ClipLandmarks.load(harness.store.fetch(outputs.landmarks))
    face = ClipFaceMesh.load(harness.store.fetch(outputs.face_mesh))
    assert landmarks.valid.all()
    # The outer corners of the eyes are vertices of the mesh, in the same pixels.
    assert landmarks.raw_points[:, [36, 45]] == pytest.approx(face.mesh[:, [33, 263], :2], abs=1e-3)
    # The irises lie in the eyes of an astronaut who looks out of the picture, eyes open.
    assert np.abs(face.gaze).max() < 0.25
    assert face.eye_opening.min() > 0.15
    assert face.presence.min() > 5
    assert outputs.notes == ()


def test_an_eye_that_is_hidden_is_told_without_a_fit(
    harness: StageHarness, models: ModelRepository, sample_frames: list[np.ndarray], tmp_path: Path
) -> None:
    stage = _landmarks_stage(models, DEFAULT_MODELS.landmarks)
    seen = _landmarks_of(harness, stage, sample_frames[:1], tmp_path)
    x, y = ClipLandmarks.load(harness.store.fetch(seen.landmarks)).points[0, 42:48].mean(0).astype(int)
    covered = sample_frames[0].copy()
    covered[y - 20 : y + 20, x - 24 : x + 24] = 20
    outputs = _landmarks_of(harness, stage, [covered, covered, sample_frames[0]], tmp_path)
    assert outputs.measurements["eye_hidden_share"] == pytest.approx(2 / 3, abs=1e-3)
    assert outputs.measurements["mouth_hidden_share"] == 0
    assert any("an eye is hidden or hard to see in 67% of the frames" in note for note in outputs.notes)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and misbehaves under some names."""

    def do_GET(self) -> None:
        if self.path.startswith("/refused"):
            self.send_error(403)
        elif self.path.startswith("/blocked"):
            self.send_error(451)
        elif self.path.startswith("/busy"):
            self.send_error(503)
        elif self.path.startswith("/short"):
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
        else:
            super().do_GET()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "www"
    folder.mkdir()
    handler = functools.partial(_Handler, directory=str(folder))
    with serving(handler) as address:
        yield address, folder


def test_a_file_on_the_web_is_downloaded(
    harness: StageHarness, server: tuple[str, Path], sample: tuple[Path, SampleTruth]
) -> None:
    (server[1] / "talk one.mp4").write_bytes(sample[0].read_bytes())
    outputs = harness.run(DownloadStage(), DownloadInputs(f"{server[0]}/talk%20one.mp4")).outputs
    assert harness.store.fetch(outputs.source).read_bytes() == sample[0].read_bytes()
    assert outputs.provenance["uri"].startswith("http://127.0.0.1")


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("missing.mp4", VideoRemovedError, "answers 404"),
        ("refused.mp4", DownloadRefusedError, "answers 403"),
        ("blocked.mp4", GeoBlockedError, "answers 451"),
        ("busy.mp4", DownloadFailedError, "answers 503"),
        ("short.mp4", DownloadFailedError, "broke after 10 of 1000 bytes"),
        ("page.html", DownloadRefusedError, "a page without a video"),
    ],
)
def test_what_the_web_refuses_has_a_reason(
    harness: StageHarness, server: tuple[str, Path], name: str, kind: type[Exception], words: str
) -> None:
    (server[1] / "page.html").write_text("<html><body>nothing here</body></html>")
    with pytest.raises(kind, match=words):
        harness.run(DownloadStage(), DownloadInputs(f"{server[0]}/{name}"))


def test_a_page_with_a_video_goes_through_yt_dlp(
    harness: StageHarness, server: tuple[str, Path], sample: tuple[Path, SampleTruth]
) -> None:
    (server[1] / "talk.mp4").write_bytes(sample[0].read_bytes())
    page = '<html><head><title>A talk</title></head><body><video src="talk.mp4"></video></body></html>'
    (server[1] / "page.html").write_text(page)
    outputs = harness.run(DownloadStage(), DownloadInputs(f"{server[0]}/page.html")).outputs
    assert outputs.source.size_bytes == sample[0].stat().st_size
    assert outputs.provenance["title"]


def test_nobody_answers(harness: StageHarness) -> None:
    with pytest.raises(DownloadFailedError, match="cannot be read"):
        harness.run(DownloadStage(), DownloadInputs("http://127.0.0.1:9/a.mp4"))


def test_a_missing_file_is_named(harness: StageHarness, tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="is not there"):
        harness.run(DownloadStage(), DownloadInputs(str(tmp_path / "none.mp4"), "0" * 64, 1))


def test_picture_and_sound_are_joined(sample: tuple[Path, SampleTruth], tmp_path: Path) -> None:
    from talkmill.video.join import join_streams

    paths = []
    for kind in ("video", "audio"):
        paths.append(tmp_path / f"{kind}.mp4")
        with av.open(str(sample[0])) as source, av.open(str(paths[-1]), "w") as target:
            stream = source.streams.get(**{kind: 0})[0]
            copied = target.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
    joined = tmp_path / "joined.mkv"
    join_streams(paths[0], paths[1], joined)
    with av.open(str(joined)) as container:
        assert (len(container.streams.video), len(container.streams.audio)) == (1, 1)
    assert sum(1 for _ in read_video(joined)) == 100
