"""Stages without networks, for tests of what a run does: a source file gives one clip whose values follow from its bytes.

Each reads every artifact that the real stage reads, so that damage is met where it is met in a run.
"""

import hashlib
import shutil
import threading
import wave
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from talkmill.artifacts.artifact import Artifact
from talkmill.dataset.reader import verify
from talkmill.pipeline.events import Event
from talkmill.pipeline.folders import open_store
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.naming import collect_sources
from talkmill.pipeline.run import RunSummary, run_dataset
from talkmill.region import Region
from talkmill.stages.coarse_fit.messages import CoarseFitOutputs
from talkmill.stages.contract import Stage, StageContext
from talkmill.stages.crop.messages import CropOutputs, CropParameters
from talkmill.stages.download.stage import DownloadStage
from talkmill.stages.fine_fit.messages import FineFitOutputs
from talkmill.stages.landmarks.messages import LandmarksOutputs
from talkmill.stages.matting.messages import MattingOutputs
from talkmill.stages.pack.stage import InPlacePackStage
from talkmill.stages.records import (
    MEDIA_TYPE,
    ClipFaceMesh,
    ClipLandmarks,
    CoarseFit,
    CropGeometry,
    FaceTrack,
    FineFit,
    Record,
)
from talkmill.stages.split.messages import CutClip, SplitOutputs
from talkmill.video.encode import alpha_writer, compatible_writer
from talkmill.video.images import MEDIA_TYPE as IMAGES_MEDIA_TYPE
from talkmill.video.images import ImageWriter, encode_image
from tests.media import whole_table
from tests.sets import contents

SIZE, FRAMES, RATE = 64, 3, 25
# Seconds of the source at which its clip begins.
START_SECONDS = 0.0
PARAMETERS = RunParameters(crop=CropParameters(size=SIZE))


class MadeUp:
    """A stage whose outputs are numbers drawn from what it reads."""

    version, models, execution_provider, arithmetic, keeps_result = "3", (), "", "", True

    def __init__(self, name: str, outputs_type: type[Any], make: Callable[["MadeUp", Any, StageContext], Any]) -> None:
        self.name, self.outputs_type, self._make = name, outputs_type, make
        self.runs = 0

    def load(self) -> None:
        """Nothing to load."""

    def run(self, inputs: Any, context: StageContext) -> Any:
        self.runs += 1
        seed = hashlib.sha256(f"{self.name} {self.version}".encode())
        for name in inputs.__dataclass_fields__:
            value = getattr(inputs, name)
            if isinstance(value, Artifact):
                seed.update(context.path(value).read_bytes())
        # Two clips may run at a time: each draws its own numbers.
        drawn = copy(self)
        drawn.random = np.random.default_rng(int.from_bytes(seed.digest()[:8], "big"))
        return self._make(drawn, inputs, context)

    def values(self, *shape: int) -> np.ndarray:
        return self.random.normal(size=shape).astype(np.float32)

    def pictures(self, channels: int) -> Iterator[np.ndarray]:
        for _ in range(FRAMES):
            blocks = self.random.integers(0, 255, (8, 8, channels), np.uint8)
            yield np.kron(blocks, np.ones((SIZE // 8, SIZE // 8, 1), np.uint8))

    def published(self, context: StageContext, name: str, record: Record) -> Artifact:
        path = context.scratch / name
        record.save(path)
        return context.publish(path, name, MEDIA_TYPE)


def _split(stage: MadeUp, inputs: Any, context: StageContext) -> SplitOutputs:
    video, audio = context.scratch / "video.mp4", context.scratch / "audio.wav"
    with compatible_writer(video, Fraction(RATE)) as writer:
        for frame in stage.pictures(3):
            writer.write(frame)
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(stage.random.integers(-99, 99, FRAMES * 640, np.int16).tobytes())
    table = stage.published(context, "table.npz", whole_table(video))
    track = FaceTrack(stage.values(FRAMES, 4), np.ones(FRAMES, np.float32))
    clip = CutClip(
        0,
        context.publish(video, "video.mp4", "video/mp4"),
        table,
        context.publish(audio, "audio.wav", "audio/wav"),
        stage.published(context, "track.npz", track),
        FRAMES,
        str(RATE),
        SIZE,
        SIZE,
        START_SECONDS,
    )
    return SplitOutputs((clip,))


def _matting(stage: MadeUp, inputs: Any, context: StageContext) -> MattingOutputs:
    path = context.scratch / "alpha.mkv"
    with alpha_writer(path, Fraction(RATE)) as writer:
        for frame in stage.pictures(1):
            writer.write(frame[..., 0])
    return MattingOutputs(context.publish(path, path.name, "video/x-matroska"), Region(0, 0, SIZE, SIZE))


def _crop(stage: MadeUp, inputs: Any, context: StageContext) -> CropOutputs:
    path = context.scratch / "crop.zip"
    with ImageWriter(path) as writer:
        for frame in stage.pictures(3):
            writer.write(frame)
    geometry = CropGeometry(stage.values(3, 3).astype(float), stage.values(FRAMES, 4), np.ones(FRAMES, bool))
    return CropOutputs(
        context.publish(path, path.name, IMAGES_MEDIA_TYPE), stage.published(context, "geometry.npz", geometry)
    )


def _landmarks(stage: MadeUp, inputs: Any, context: StageContext) -> LandmarksOutputs:
    points = stage.values(FRAMES, 68, 2)
    landmarks = ClipLandmarks(points, points, np.abs(stage.values(FRAMES, 68)), np.arange(FRAMES) != 1)
    mesh = ClipFaceMesh(
        stage.values(FRAMES, 478, 3), stage.values(FRAMES), stage.values(FRAMES, 2), stage.values(FRAMES, 2, 2)
    )
    return LandmarksOutputs(
        stage.published(context, "landmarks.npz", landmarks), stage.published(context, "face_mesh.npz", mesh)
    )


def _coarse_fit(stage: MadeUp, inputs: Any, context: StageContext) -> CoarseFitOutputs:
    coarse = CoarseFit(
        stage.values(FRAMES, 257), stage.values(FRAMES, 5), stage.values(FRAMES, 4, 4), np.ones(FRAMES, bool)
    )
    return CoarseFitOutputs(stage.published(context, "coefficients.npz", coarse))


def _fine_fit(stage: MadeUp, inputs: Any, context: StageContext) -> FineFitOutputs:
    trans = stage.values(FRAMES, 3) / 10 + np.float32([0, 0, -7])
    euler, focal, errors = stage.values(FRAMES, 3), stage.values(1) + np.float32(1100), np.zeros(FRAMES, np.float32)
    fine = FineFit(
        euler=euler,
        trans=trans.astype(np.float32),
        focal=focal,
        focal_interval=np.float32([1000, 1200]),
        id=stage.values(100),
        exp=stage.values(FRAMES, 79),
        reprojection_error=errors,
        reprojection_error_inner=errors,
        photometric_residual=errors,
        jitter=errors,
        valid=np.ones(FRAMES, bool),
    )
    fit = stage.published(context, "fit.npz", fine)
    preview = context.scratch / "preview.jpg"
    preview.write_bytes(encode_image(stage.random.integers(0, 255, (16, 16, 3), np.uint8)))
    return FineFitOutputs(fit, context.publish(preview, preview.name, "image/jpeg"), {"basis": "made-up"})


def made_up_stages(folder: Path) -> dict[str, Stage[Any, Any]]:
    """Return every stage; download and pack are the real ones."""
    stages: tuple[Any, ...] = (
        DownloadStage(),
        MadeUp("split", SplitOutputs, _split),
        MadeUp("matting", MattingOutputs, _matting),
        MadeUp("crop", CropOutputs, _crop),
        MadeUp("landmarks", LandmarksOutputs, _landmarks),
        MadeUp("coarse_fit", CoarseFitOutputs, _coarse_fit),
        MadeUp("fine_fit", FineFitOutputs, _fine_fit),
        InPlacePackStage(folder / "lmdb"),
    )
    return {stage.name: stage for stage in stages}


def run_made_up(
    folder: Path,
    *inputs: Path | str,
    emit: Callable[[Event], None] = lambda event: None,
    jobs: int = 1,
    kinds: tuple[Kind, ...] = (),
) -> RunSummary:
    """Run files and addresses into the set of a folder."""
    sources = collect_sources(map(str, inputs), None, False, "train")
    store, parameters = open_store(folder), replace(PARAMETERS, kinds=kinds)
    return run_dataset(folder, sources, made_up_stages(folder), store, parameters, jobs, emit, threading.Event())


def set_of(folder: Path) -> dict[bytes, bytes]:
    """Return every key of the set of a folder, which is whole."""
    verify(folder / "lmdb" / str(SIZE))
    return contents(folder / "lmdb" / str(SIZE))


def write_sources(folder: Path, *names: str) -> list[Path]:
    """Write files that the made-up stages take for videos."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(f"the bytes of {name}".encode() * 100)
    return [folder / name for name in names]
