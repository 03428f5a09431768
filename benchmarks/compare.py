"""One run of talkmill's stages and of the reference's, interleaved on one core, and the ratios."""

import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from benchmarks.stages import MEASURED, Cost, StageBench, Stopwatch, on_one_core, time_frames
from talkmill.artifacts.artifact import sha256_of
from talkmill.artifacts.manifest import ModelVersion
from talkmill.fitting.alignment import FIVE_POINTS_KEY, five_points
from talkmill.fitting.projection import LandmarkBasis
from talkmill.inference.precision import Precision
from talkmill.inference.runtime import Runtime, available_providers, choose_runtime, cpu_runtime
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.models.export import deep3d, modnet
from talkmill.models.installed import InstalledModel
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.pipeline.composition import build_stages
from talkmill.pipeline.graph import ClipProgress, RunParameters
from talkmill.stages.coarse_fit.messages import CoarseFitParameters
from talkmill.stages.coarse_fit.stage import CoarseFitStage
from talkmill.stages.contract import Stage
from talkmill.stages.execution import ensure_loaded
from talkmill.stages.fine_fit.messages import FineFitParameters
from talkmill.stages.landmarks.stage import LandmarksStage, networks_of
from talkmill.stages.matting.messages import MattingMethod, MattingParameters
from talkmill.stages.matting.stage import MattingStage
from talkmill.stages.pack.stage import PackStage
from talkmill.stages.split.messages import SplitParameters
from talkmill.video.container import describe
from talkmill.video.decode import read_video
from talkmill.video.images import read_images

# Frames that are run and not counted.
FIRST_FRAMES = 10
# Adam's steps in the reference's fit of a clip, and those that are measured of them.
ADAM_STEPS, ADAM_MEASURED = 8000, 60
ADAM_FRAMES = 252
# Frames of each part of the reference in one repeat; its landmarks take seconds.
REFERENCE_FRAMES = {"matting": 3, "crop": 20, "landmarks": 2, "coarse": 10, "pack": 80, "read": 80}


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the comparison.

    Attributes:
        what: What was measured.
        ours: Milliseconds of CPU a frame.
        reference: Milliseconds of CPU a frame.
        target: The ratio that is wanted; None where none is.
    """

    what: str
    ours: float
    reference: float
    target: float | None

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.reference / self.ours


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run.

    Attributes:
        clip: Its name, size and frames.
        costs: Name to cost a frame.
        ratios: Against the reference; empty where it was left out.
    """

    clip: str
    costs: dict[str, Cost]
    ratios: tuple[Ratio, ...]


def compare(
    clip: Path,
    frames: int,
    repeats: int,
    with_variants: bool,
    with_reference: bool,
    models: ModelRepository,
    say: Callable[[str], None],
) -> Comparison:
    """Measure.

    Args:
        clip: A video with one face.
        frames: Of its beginning that are used.
        repeats: Of everything; medians count.
        with_variants: Measure other methods, providers and precisions too.
        with_reference: Measure the reference too.
        models: Where models lie.
        say: Called with a line when a part begins.
    """
    on_one_core()
    torch.set_num_threads(1)
    parameters = RunParameters(
        split=SplitParameters(fps="source", min_seconds=0.0), fine_fit=FineFitParameters(photometric=False)
    )
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        clip = _head(clip, folder, frames)
        found = describe(clip)
        (folder / "run").mkdir()
        stages = build_stages(folder / "run", models, DEFAULT_MODELS, RunParameters(), "cpu", 1)
        stages["pack"] = PackStage()
        variants = _variants(folder, models, parameters) if with_variants else []
        for stage in [*stages.values(), *(stage for _, stage, _ in variants)]:
            ensure_loaded(stage)
        say("a few frames first: what is loaded and compiled once is not counted")
        (folder / "first").mkdir()
        StageBench(folder / "first", stages, parameters).repeat(_head(clip, folder / "first", FIRST_FRAMES))
        (folder / "bench").mkdir()
        bench = StageBench(folder / "bench", stages, parameters)
        head = MorphableModel.load(models.ensure(DEFAULT_MODELS.morphable, "morphable").path)
        reference: _Reference | None = None
        for number in range(repeats):
            say(f"repeat {number + 1} of {repeats}: the stages")
            progress = bench.repeat(clip)
            for name, stage, chosen in variants:
                say(f"repeat {number + 1} of {repeats}: {name}")
                bench.variant(name, stage, progress, chosen)
            bench.costs.add("one detection", _detection(stages, clip, bench.watch))
            if with_reference:
                reference = reference or _Reference(clip, folder, bench, progress, head)
                for name, measure in reference.parts().items():
                    say(f"repeat {number + 1} of {repeats}: reference, {name}")
                    bench.costs.add(f"reference {name}", measure())
        costs = {name: bench.costs.median(name) for name in bench.costs.found}
    title = f"{clip.name}, {found.width}x{found.height}, {progress.clip.frame_count} frames, {repeats} repeats"
    return Comparison(title, costs, _ratios(costs) if with_reference else ())


def _head(clip: Path, folder: Path, frames: int) -> Path:
    """Copy the first packets of a clip, not coded anew; its last frames have gaps where packets are reordered."""
    target = folder / clip.name
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        stream = source.streams.video[0]
        copied = output.add_stream_from_template(stream, opaque=True)
        for packet in itertools.islice((p for p in source.demux(stream) if p.dts is not None), frames):
            packet.stream = copied
            output.mux(packet)
    return target


def _variants(
    folder: Path, models: ModelRepository, parameters: RunParameters
) -> list[tuple[str, Stage[Any, Any], RunParameters]]:
    """Other forms of two stages: methods, providers and precisions, with random weights where users bring theirs."""
    random = {"modnet": _installed(folder / "modnet.onnx", "modnet", _export_modnet)}
    parts = {name: models.ensure(name, "matting_part") for name in ("selfie-256", "u2netp")}
    has_openvino = "openvino" in available_providers()
    openvino = choose_runtime("openvino", 1) if has_openvino else None
    result: list[tuple[str, Stage[Any, Any], RunParameters]] = []

    def matting(method: MattingMethod, runtime: Runtime, precision: Precision) -> None:
        needed = {"fusion": parts, "draft": {"selfie-256": parts["selfie-256"]}, "modnet": random}[method]
        chosen = replace(parameters, matting=MattingParameters(method, precision, max_lost_fraction=1.0))
        name = f"matting {method} {runtime.provider} {precision}"
        result.append((name, MattingStage(needed, runtime, precision), chosen))

    def coarse(runtime: Runtime, precision: Precision) -> None:
        model = _installed(folder / "deep3d.onnx", "deep3d-resnet50", _deep3d_exporter(models))
        chosen = replace(parameters, coarse_fit=CoarseFitParameters("deep3d-resnet50", precision=precision))
        stage = CoarseFitStage("deep3d-resnet50", model, runtime, precision)
        result.append((f"coarse deep3d {runtime.provider} {precision}", stage, chosen))

    cpu = cpu_runtime(1)
    matting("draft", cpu, "fp32")
    matting("modnet", cpu, "fp32")
    coarse(cpu, "fp32")
    if openvino is not None:
        choice = DEFAULT_MODELS.landmarks
        networks = {name: models.ensure(name, "landmarks", "face_embedding") for name in networks_of(choice)}
        result.append(("landmarks openvino fp32", LandmarksStage(choice, networks, openvino), parameters))
        matting("draft", openvino, "fp32")
        precisions: list[Precision] = ["fp32"]
        try:
            openvino.check("bf16")
            precisions.append("bf16")
        except ValueError:
            pass
        for precision in precisions:
            matting("fusion", openvino, precision)
            matting("modnet", openvino, precision)
            coarse(openvino, precision)
    return result


def _installed(path: Path, model_id: str, export: Callable[[Path], None]) -> InstalledModel:
    if not path.exists():
        torch.manual_seed(0)
        export(path)
    return InstalledModel(path, ModelVersion(model_id, sha256_of(path)))


def _export_modnet(path: Path) -> None:
    modnet.export(modnet.Modnet().eval(), path)


def _deep3d_exporter(models: ModelRepository) -> Callable[[Path], None]:
    def export(path: Path) -> None:
        basis = LandmarkBasis.of(MorphableModel.load(models.ensure(DEFAULT_MODELS.morphable, "morphable").path))
        five = json.dumps(five_points(basis.mean).tolist())
        deep3d.export(deep3d.Regressor().eval(), path, {FIVE_POINTS_KEY: five})

    return export


def _detection(stages: dict[str, Stage[Any, Any]], clip: Path, watch: Stopwatch) -> Cost:
    """Return the cost of finding the faces of a whole frame."""
    frame = next(read_video(clip))
    detector = stages["split"].detector  # type: ignore[attr-defined]
    return time_frames(watch, lambda: detector.detect(frame), 10)


class _Reference:
    """The reference's stages on the same clip."""

    def __init__(
        self, clip: Path, folder: Path, bench: StageBench, progress: ClipProgress, head: MorphableModel
    ) -> None:
        # scikit-image is there for measurements alone.
        from benchmarks.reference import stages as reference

        self._watch = bench.watch
        self._head = LandmarkBasis.of(head, slide=False), head
        geometry = progress.outputs["crop"].measurements
        x, y, side = (int(geometry[name]) for name in ("crop_x0", "crop_y0", "crop_side"))
        cropped = folder / "cropped.mp4"
        writer = cv2.VideoWriter(str(cropped), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (512, 512))
        for image in read_images(bench.path(progress.outputs["crop"].frames)):
            writer.write(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)))
        writer.release()
        torch.manual_seed(0)
        self._matting = reference.Matting(clip, folder)
        self._crop = reference.Crop(clip, folder, (max(0, x), max(0, y), x + side, y + side))
        self._landmarks = reference.Landmarks(cropped)
        self._coarse = reference.Coarse(cropped)
        self._write = reference.PackWrite(cropped, folder)
        self._read = reference.PackRead(self._write)

    def parts(self) -> dict[str, Callable[[], Cost]]:
        """Return what is measured, by name."""

        def of(name: str, frame: Callable[[], None]) -> Callable[[], Cost]:
            return lambda: time_frames(self._watch, frame, REFERENCE_FRAMES[name])

        return {
            "matting": of("matting", self._matting.frame),
            "crop": of("crop", self._crop.frame),
            "crop, fixed": self._fixed,
            "landmarks": of("landmarks", self._landmarks.frame),
            "coarse": of("coarse", self._coarse.frame),
            "fine": self._adam,
            "pack": of("pack", self._write.frame),
            "read": of("read", self._read.frame),
        }

    def _fixed(self) -> Cost:
        self._watch.start()
        self._crop.fixed()
        return self._watch.stop(1)

    def _adam(self) -> Cost:
        """A frame's share of 8000 Adam steps over a clip of 252, of which 60 are taken."""
        from benchmarks.adam import minimise
        from benchmarks.scenes.measure import clip_of
        from benchmarks.scenes.scene import make_scene
        from talkmill.fitting.clip import first_state, smoothing_metric

        basis, model = self._head
        clip = clip_of(make_scene(model, ADAM_FRAMES, 1), basis, 1)
        start = first_state(clip)
        metric = smoothing_metric(clip, start, clip.sigma())
        self._watch.start()
        minimise(clip, start, metric, ADAM_MEASURED)
        cost = self._watch.stop(ADAM_FRAMES)
        ratio = ADAM_STEPS / ADAM_MEASURED
        return Cost(cost.cpu * ratio, cost.wall * ratio, memory=cost.memory)


def _ratios(costs: dict[str, Cost]) -> tuple[Ratio, ...]:
    """Return every ratio of docs/performance.md that was measured."""

    def cpu(name: str) -> float:
        return costs[name].cpu

    estimate = cpu("crop: foreground colour")
    theirs = sum(cpu(f"reference {name}") for name in ("matting", "crop", "landmarks", "coarse", "fine", "pack"))
    ours = sum(cpu(name) for name in MEASURED)
    has_openvino = "landmarks openvino fp32" in costs
    rest = ours - cpu("matting") - cpu("landmarks") + (cpu("landmarks openvino fp32") if has_openvino else 0.0)
    wanted: list[tuple[str, str | float, str | float, float | None]] = [
        ("matting, MODNet, fp32", "matting modnet cpu fp32", "matting", 1.4),
        ("matting, MODNet, fp32, OpenVINO", "matting modnet openvino fp32", "matting", 1.4),
        ("matting, MODNet, bf16", "matting modnet openvino bf16", "matting", 3.0),
        ("matting, default, fp32", "matting", "matting", 2.2),
        ("matting, default, bf16", "matting fusion openvino bf16", "matting", 3.5),
        ("matting, draft", "matting draft cpu fp32", "matting", 15.0),
        ("crop, without the foreground's colour", cpu("crop") - estimate, "crop", 6.0),
        ("crop, with it", "crop", "crop", 4.0),
        ("crop, fixed cost: one detection", "one detection", "crop, fixed", 20.0),
        ("landmarks", "landmarks", "landmarks", 50.0),
        ("coarse, ResNet-50, fp32", "coarse deep3d cpu fp32", "coarse", None),
        ("coarse, ResNet-50, bf16", "coarse deep3d openvino bf16", "coarse", 4.0),
        ("pack, write", "pack", "pack", 5.0),
        ("pack, read", "read", "read", 1.8),
        ("whole pipeline, landmark term", ours, theirs, 7.0),
    ]
    if "matting draft cpu fp32" in costs:
        draft = ours - cpu("matting") + cpu("matting draft cpu fp32")
        wanted.append(("whole pipeline, draft", draft, theirs, 30.0))
    if has_openvino:
        wanted.insert(10, ("landmarks, OpenVINO", "landmarks openvino fp32", "landmarks", 50.0))
        for what, matting, wish in (
            ("whole pipeline, OpenVINO", "matting fusion openvino fp32", 7.0),
            ("whole pipeline, OpenVINO, bf16", "matting fusion openvino bf16", 7.0),
            ("whole pipeline, draft, OpenVINO", "matting draft openvino fp32", 30.0),
        ):
            if matting in costs:
                wanted.append((what, rest + cpu(matting), theirs, wish))
    result = []
    for what, mine, other, target in wanted:
        if isinstance(mine, str) and mine not in costs:
            continue
        own = cpu(mine) if isinstance(mine, str) else mine
        reference = cpu(f"reference {other}") if isinstance(other, str) else other
        result.append(Ratio(what, own, reference, target))
    return tuple(result)
