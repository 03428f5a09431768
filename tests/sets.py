"""Sets with made-up clips, and what a set holds."""

import json
import multiprocessing
import os
from pathlib import Path

import lmdb
import numpy as np

from talkmill.dataset import Dataset
from talkmill.dataset.writer import ClipArrays, DatasetWriter
from talkmill.video.images import encode_image

SIZE = 32


def arrays(count: int, seed: int = 0) -> ClipArrays:
    random = np.random.default_rng(seed)
    return ClipArrays(
        keypoint=random.uniform(0, SIZE, (count, 68, 2)).astype(np.float32),
        coefficients=random.normal(size=(count, 260)).astype(np.float32),
        condition=random.normal(size=(count, 7)).astype(np.float32),
        identity=random.normal(size=100).astype(np.float32),
        valid=np.arange(count) % 7 != 3,
        confidence=random.uniform(size=count).astype(np.float32),
    )


def frames(count: int, seed: int = 0) -> list[bytes]:
    random = np.random.default_rng(seed)
    return [encode_image(random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)) for _ in range(count)]


def add(writer: DatasetWriter, name: str, count: int = 10, seed: int = 0, split: str = "train") -> None:
    writer.add(name, split, f"print{seed}", iter(frames(count, seed)), arrays(count, seed), {"person": "a"})


def contents(folder: Path) -> dict[bytes, bytes]:
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return {bytes(key): bytes(value) for key, value in transaction.cursor()}


def as_0_1_wrote_it(folder: Path) -> None:
    """Give a set the form that talkmill 0.1 wrote: the entries of all clips inside the manifest."""
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        manifest = json.loads(transaction.get(b"manifest")) | {"schema_version": 1, "clips": {}}
        for item in [bytes(item) for item, _ in transaction.cursor() if bytes(item).startswith(b"clip/")]:
            manifest["clips"][item.removeprefix(b"clip/").decode()] = json.loads(transaction.pop(item))
        transaction.put(b"manifest", json.dumps(manifest, sort_keys=True, indent=1).encode())


def frames_of(dataset: Dataset, name: str, answers: "multiprocessing.Queue[tuple[int, list[bytes]]]") -> None:
    """Read the frames of a clip in a process of its own, whose imports are few."""
    answers.put((os.getpid(), list(dataset.frames(name))))
