"""The cost of a set of many clips, and how it grows with their number. `python -m benchmarks dataset`."""

import resource
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.quality import Figure, below
from talkmill.dataset.reader import Dataset
from talkmill.dataset.writer import ClipArrays, DatasetWriter
from talkmill.video.images import encode_image

SIZE, FRAMES = 16, 2
# Twice the clips may take this many times the time.
MOST_GROWTH = 2.3


@dataclass(frozen=True, slots=True)
class DatasetCost:
    """Wall time over a set, in seconds.

    Attributes:
        clips: Clips of the set.
        write: To add every clip, each committed and synced by itself.
        open: To open the set for reading.
        read: To read the values, `-meta` and frames of every clip.
        verify: To compare every byte with its checksum.
        cpu: Of all of them, user and system.
    """

    clips: int
    write: float
    open: float
    read: float
    verify: float
    cpu: float


def measure_dataset(clips: int, repeats: int, folder: Path | None, say: Callable[[str], None]) -> list[Figure]:
    """Measure a set of so many clips against one of twice as many.

    Args:
        clips: Of the smaller set; images of 16 pixels, two frames each.
        repeats: Of both, interleaved; medians count.
        folder: Where to write; None for the folder of temporary files.
        say: Called with a line as each set is done.

    Returns:
        What twice the clips cost over once the clips.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # Files and code that are touched for the first time cost the first set more.
    _measure(100, folder)
    pairs = [(_measure(clips, folder), _measure(2 * clips, folder)) for _ in range(repeats)]
    few, many = (
        DatasetCost(*map(median, zip(*map(astuple, costs), strict=True))) for costs in zip(*pairs, strict=True)
    )
    say(_line(few))
    say(_line(many))
    what = f"{many.clips} clips over {few.clips}"
    return [
        below(f"{what}: write", many.write / few.write, MOST_GROWTH),
        below(f"{what}: open and read", (many.open + many.read) / (few.open + few.read), MOST_GROWTH),
        below(f"{what}: verify", many.verify / few.verify, MOST_GROWTH),
        below(f"{what}: CPU of all three", many.cpu / few.cpu, MOST_GROWTH),
    ]


def _measure(clips: int, folder: Path | None) -> DatasetCost:
    random = np.random.default_rng(0)
    frames = [encode_image(random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)) for _ in range(FRAMES)]
    arrays = ClipArrays(
        keypoint=random.uniform(0, SIZE, (FRAMES, 68, 2)).astype(np.float32),
        coefficients=random.normal(size=(FRAMES, 260)).astype(np.float32),
        condition=random.normal(size=(FRAMES, 7)).astype(np.float32),
        identity=random.normal(size=100).astype(np.float32),
        valid=np.ones(FRAMES, bool),
        confidence=np.ones(FRAMES, np.float32),
    )
    with TemporaryDirectory(dir=folder) as name:
        root = Path(name)
        cpu, began = _cpu_seconds(), time.perf_counter()
        with DatasetWriter(root, SIZE) as writer:
            for index in range(clips):
                writer.add(f"source_{index:06}_000", "train", "0" * 64, iter(frames), arrays, {"index": index})
        written = time.perf_counter()
        with Dataset(root) as dataset:
            opened = time.perf_counter()
            for clip in dataset.values():
                for _ in dataset.frames(clip.name):
                    pass
            read = time.perf_counter()
            dataset.verify()
            verified = time.perf_counter()
    return DatasetCost(clips, written - began, opened - written, read - opened, verified - read, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _line(cost: DatasetCost) -> str:
    return (
        f"{cost.clips} clips: write {cost.write:.2f} s, open {cost.open:.3f} s, read {cost.read:.2f} s, "
        f"verify {cost.verify:.2f} s; CPU {cost.cpu:.2f} s"
    )
