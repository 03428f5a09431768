"""`python -m benchmarks stages`: what each stage costs a frame of a clip, beside what the reference's scripts cost.

Everything runs on one core of this process, interleaved, and medians count: machines are shared.
"""

import itertools
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.dataset.reader import Dataset
from talkmill.inference import observer
from talkmill.matting.foreground import foreground_at
from talkmill.pipeline.graph import (
    CLIPS_FROM,
    PACK,
    ClipProgress,
    RunParameters,
    RunProgress,
    SourceProgress,
    names_of,
    node_of,
    nodes_of,
    packed_artifacts,
)
from talkmill.pipeline.naming import NamedSource
from talkmill.stages.contract import Stage
from talkmill.stages.harness import StageHarness
from talkmill.stages.pack.messages import PackedClip, encode_clips
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_frames, read_video
from talkmill.video.frame_table import FrameTable
from talkmill.video.images import read_images

# Stages in which frames cost something, in the order of a clip.
MEASURED = names_of()[1:]
ESTIMATES = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """What one frame costs.

    Attributes:
        cpu: Milliseconds of CPU.
        wall: Milliseconds on the clock.
        decode: Milliseconds of CPU to read the same pixels alone.
        network: Milliseconds of CPU inside networks.
        memory: Peak of the process meanwhile, MB.
    """

    cpu: float
    wall: float
    decode: float = 0.0
    network: float = 0.0
    memory: float = 0.0

    @property
    def rest(self) -> float:
        """Neither reading nor networks, milliseconds."""
        return max(0.0, self.cpu - self.decode - self.network)


@dataclass(slots=True)
class Costs:
    """Costs of everything that was measured, by name, one for each repeat."""

    found: dict[str, list[Cost]] = field(default_factory=dict)

    def add(self, name: str, cost: Cost) -> None:
        """Keep a cost."""
        self.found.setdefault(name, []).append(cost)

    def median(self, name: str) -> Cost:
        """Return the medians of a name's costs."""
        costs = self.found[name]
        cpu, wall, decode, network = (
            statistics.median(getattr(cost, part) for cost in costs) for part in ("cpu", "wall", "decode", "network")
        )
        return Cost(cpu, wall, decode, network, max(cost.memory for cost in costs))


class Stopwatch:
    """CPU, clock and time in networks between two looks."""

    def __init__(self) -> None:
        self._network = 0.0
        observer.observe(self)
        self.start()

    def loaded(self, model_id: str, execution_provider: str) -> None:
        """Hear of a network; see `observer.Observer`."""

    def ran(self, model_id: str, execution_provider: str, seconds: float) -> None:
        """Hear of a run; see `observer.Observer`."""
        self._network += seconds

    def start(self) -> None:
        """Begin."""
        _forget_peak_memory()
        self._network, self._cpu, self._wall = 0.0, time.process_time(), time.perf_counter()

    def stop(self, frames: int, decode: float = 0.0) -> Cost:
        """Return the cost of a frame since the start."""
        spent = (time.process_time() - self._cpu, time.perf_counter() - self._wall)
        cpu, wall, network = (value * 1e3 / frames for value in (*spent, self._network))
        # Networks are timed on the clock; beside other work of the machine a part of that is waiting.
        network *= min(1.0, cpu / wall)
        return Cost(cpu, wall, decode, network, _peak_memory())


def _forget_peak_memory() -> None:
    """Let the kernel count this process's peak anew (Linux, proc(5))."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory() -> float:
    """Return the peak resident set since then, MB; everything that this process has loaded counts."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def on_one_core() -> None:
    """Keep this process, and every thread that it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)


class StageBench:
    """Runs the stages over one clip and keeps what they cost."""

    def __init__(self, folder: Path, stages: dict[str, Stage[Any, Any]], parameters: RunParameters) -> None:
        """Create a bench.

        Args:
            folder: An empty folder.
            stages: Stage name to stage, loaded.
            parameters: Of the run.
        """
        self.costs = Costs()
        self._harness = StageHarness(folder)
        self._folder, self._stages, self._parameters = folder, stages, parameters
        self.watch = Stopwatch()
        self._count = 0

    def repeat(self, video: Path) -> ClipProgress:
        """Run every stage over a clip once.

        Returns:
            What the stages made.
        """
        self._count += 1
        of_source = SourceProgress(
            NamedSource("clip", video.name, str(video), sha256_of(video), video.stat().st_size, None, False, "train")
        )
        for node in nodes_of("source"):
            self.watch.start()
            of_source.outputs[node.name] = self._run(node.name, node.request(of_source, self._parameters))
        clip = of_source.outputs[CLIPS_FROM].clips[0]
        self._keep(CLIPS_FROM, clip.frame_count, [read_video(self.path(of_source.outputs["download"].source))])
        progress = ClipProgress(clip, of_source.outputs)
        for node in nodes_of("clip"):
            self.watch.start()
            progress.outputs[node.name] = self._run(node.name, node.request(progress, self._parameters))
            self._keep(node.name, clip.frame_count, self._pixels(node.name, progress))
        self._estimate(progress)
        self._pack(progress)
        return progress

    def variant(self, name: str, stage: Stage[Any, Any], progress: ClipProgress, parameters: RunParameters) -> None:
        """Run another form of a clip's stage on what a repeat made, and keep its cost under a name."""
        inputs = node_of(stage.name).request(progress, parameters)
        self.watch.start()
        # Another provider gives the same action other bytes.
        self._harness.run(stage, inputs, fresh=True, key_prefix=f"variants/{name.replace(' ', '_')}/")
        self._keep(name, progress.clip.frame_count, self._pixels(stage.name, progress))

    def path(self, artifact: Artifact) -> Path:
        """Return where an artifact lies."""
        return self._harness.store.fetch(artifact)

    def _run(self, stage: str, inputs: object) -> Any:
        # Nothing of an earlier repeat may be found again.
        return self._harness.run(self._stages[stage], inputs, fresh=True).outputs

    def _keep(self, name: str, frames: int, pixels: Sequence[Iterator[object]]) -> None:
        cost = self.watch.stop(frames)
        decode = sum(map(_decoding, pixels)) * 1e3 / frames
        self.costs.add(name, Cost(cost.cpu, cost.wall, decode, cost.network, cost.memory))

    def _pixels(self, stage: str, progress: ClipProgress) -> list[Iterator[object]]:
        """Return what a stage decodes."""
        clip, done = progress.clip, progress.outputs
        table = FrameTable.load(self.path(clip.frame_table))
        if stage == "matting":
            return [read_clip(self.path(clip.video), table)]
        if stage == "crop":
            matting = done["matting"]
            return [
                read_clip(self.path(clip.video), table, region=matting.region),
                read_grey_frames(self.path(matting.alpha)),
            ]
        return [read_images(self.path(done["crop"].frames))] if stage == "landmarks" else []

    def _estimate(self, progress: ClipProgress) -> None:
        """Measure the foreground's colour apart: the reference has nothing like it."""
        geometry = progress.outputs["crop"].measurements
        x, y, side = (int(geometry[name]) for name in ("crop_x0", "crop_y0", "crop_side"))
        region = progress.outputs["matting"].region
        x, y = x - region.x, y - region.y
        part = (slice(max(0, y), y + side), slice(max(0, x), x + side))
        table = FrameTable.load(self.path(progress.clip.frame_table))
        frames = read_clip(self.path(progress.clip.video), table, region=region)
        alphas = read_grey_frames(self.path(progress.outputs["matting"].alpha))
        both = zip(frames, alphas, strict=False)
        pairs = [(frame[part], alpha[part]) for frame, alpha in itertools.islice(both, ESTIMATES)]
        mixed = [np.nonzero((alpha > 0) & (alpha < 255)) for _, alpha in pairs]
        self.watch.start()
        for (frame, alpha), (rows, columns) in zip(pairs, mixed, strict=True):
            foreground_at(frame, alpha, rows, columns)
        self.costs.add("crop: foreground colour", self.watch.stop(len(pairs)))

    def _pack(self, progress: ClipProgress) -> None:
        """Write a set of the clip, and read it as a trainer does."""
        frames = progress.clip.frame_count
        path = self._folder / f"clips-{self._count}.jsonl"
        path.write_bytes(encode_clips([PackedClip("clip_000", "train", **packed_artifacts(progress))]))
        listed = self._harness.put(path, "application/jsonl")
        self.watch.start()
        packed = self._run(PACK, node_of(PACK).request(RunProgress(listed), self._parameters))
        self._keep(PACK, frames, self._pixels(PACK, progress))
        database = self._folder / f"lmdb-{self._count}"
        database.mkdir()
        (database / "data.mdb").hardlink_to(self.path(packed.database))
        self.watch.start()
        with Dataset(database) as dataset:
            for _ in dataset.images("clip_000"):
                pass
        self.costs.add("read", self.watch.stop(frames))


def _decoding(pixels: Iterator[object]) -> float:
    """Return the seconds of CPU that reading pictures takes."""
    began = time.process_time()
    for _ in pixels:
        pass
    return time.process_time() - began


def time_frames(watch: Stopwatch, frame: Callable[[], None], frames: int) -> Cost:
    """Return the cost of one call, over several after a first."""
    frame()
    watch.start()
    for _ in range(frames):
        frame()
    return watch.stop(frames)
