"""Read a data set with PyTorch: single frames with their camera and landmarks, two workers.

python examples/read_set.py RUN
"""

import sys
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

import talkmill


class Frames(Dataset[dict[str, Any]]):
    """The valid frames of the clips to train on."""

    def __init__(self, path: str) -> None:
        self.set = talkmill.Dataset(path)
        self.arrays = {name: self.set[name].arrays for name in self.set.train}
        self.index = [(name, i) for name, arrays in self.arrays.items() for i in arrays.valid.nonzero()[0].tolist()]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, item: int) -> dict[str, Any]:
        name, i = self.index[item]
        arrays, image = self.arrays[name], torch.from_numpy(self.set.image(name, i)).permute(2, 0, 1) / 255
        return {"image": image, "condition": arrays.condition[i], "keypoint": arrays.keypoint[i]}


def main(path: str) -> None:
    for batch in DataLoader(Frames(path), batch_size=8, shuffle=True, num_workers=2):
        print({field: tuple(values.shape) for field, values in batch.items()})


if __name__ == "__main__":
    main(sys.argv[1])
