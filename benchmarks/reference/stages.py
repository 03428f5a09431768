"""The reference's stages, a frame at a time, as their scripts do it.

Each takes a frame and does all that the script does for one; the fixed cost of a clip is a method of its own.
"""

import io
from pathlib import Path

import cv2
import lmdb
import numpy as np
import torch
from PIL import Image
from skimage.transform import resize
from skimage.util import img_as_ubyte

from benchmarks.reference.detector import S3fd
from talkmill.arrays import Frame
from talkmill.models.export.deep3d import Regressor
from talkmill.models.export.fan import Fan
from talkmill.models.export.modnet import Modnet


class Video:
    """A clip that is read by OpenCV, frame by frame, from its beginning when it ends."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._reader = cv2.VideoCapture(self._path)

    def next(self) -> Frame:
        """Return the next frame, BGR."""
        there, frame = self._reader.read()
        if not there:
            self._reader = cv2.VideoCapture(self._path)
            _, frame = self._reader.read()
        return np.asarray(frame)


class Sink:
    """A video that is written by OpenCV."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)

    def write(self, frame: Frame) -> None:
        """Append a frame, BGR."""
        self._writer.write(frame)


class Matting:
    """Step 1: MODNet at a short side of 512, the foreground over white at that size, enlarged to the frame's."""

    def __init__(self, video: Path, folder: Path) -> None:
        self._network = Modnet().eval()
        self._video = Video(video)
        frame = self._video.next()
        height, width = frame.shape[:2]
        scale = 512 / min(height, width)
        self._size = tuple(int(side * scale) // 32 * 32 for side in (width, height))
        self._full = (width, height)
        self._sink = Sink(folder / "matting.mp4", self._full, 20.0)

    def frame(self) -> None:
        """Do one frame."""
        frame = cv2.cvtColor(self._video.next(), cv2.COLOR_BGR2RGB)
        small = np.asarray(cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA))
        tensor = torch.from_numpy(small.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)
        with torch.no_grad():
            matte = self._network(tensor)[0, 0].numpy()[..., None].repeat(3, 2)
        foreground = matte * small + (1 - matte) * 255.0
        enlarged = cv2.resize(foreground.astype(np.uint8), self._full)
        self._sink.write(np.asarray(cv2.cvtColor(enlarged, cv2.COLOR_RGB2BGR)))


class Crop:
    """Step 2: one detection on the whole first frame, then cut and resized by scikit-image."""

    def __init__(self, video: Path, folder: Path, box: tuple[int, int, int, int]) -> None:
        self._network = S3fd().eval()
        self._video = Video(video)
        self._box = box
        self._sink = Sink(folder / "crop.mp4", (512, 512), 25.0)

    def fixed(self) -> None:
        """Find the face of the first frame."""
        _detect(self._network, self._video.next())

    def frame(self) -> None:
        """Do one frame."""
        frame = self._video.next()
        x0, y0, x1, y1 = self._box
        resized = resize(frame[y0:y1, x0:x1], (512, 512), anti_aliasing=True)  # type: ignore[no-untyped-call]
        cropped = img_as_ubyte(resized)  # type: ignore[no-untyped-call]
        self._sink.write(cropped)


class Landmarks:
    """Step 3: S3FD and 2D-FAN-4 on every frame of the crop."""

    def __init__(self, video: Path) -> None:
        self._detector, self._network = S3fd().eval(), Fan().eval()
        self._video = Video(video)

    def frame(self) -> None:
        """Do one frame."""
        frame = self._video.next()
        _detect(self._detector, frame)
        face = cv2.resize(frame[64:448, 64:448], (256, 256), interpolation=cv2.INTER_LINEAR)
        tensor = torch.from_numpy(np.asarray(face).transpose(2, 0, 1)[None].astype(np.float32) / 255)
        with torch.no_grad():
            heatmaps = self._network(tensor)
        heatmaps.reshape(68, -1).argmax(1)


class Coarse:
    """Step 4-1: aligned by Pillow to 224, a ResNet-50."""

    def __init__(self, video: Path) -> None:
        self._network = Regressor().eval()
        self._video = Video(video)

    def frame(self) -> None:
        """Do one frame."""
        image = Image.fromarray(np.asarray(cv2.cvtColor(self._video.next(), cv2.COLOR_BGR2RGB)))
        aligned = image.resize((260, 260), Image.Resampling.BICUBIC).crop((18, 18, 242, 242))
        tensor = torch.from_numpy(np.asarray(aligned, np.float32).transpose(2, 0, 1)[None] / 255)
        with torch.no_grad():
            self._network(tensor)


class PackWrite:
    """Step 5: frames of the crop as JPEG in one transaction."""

    def __init__(self, video: Path, folder: Path) -> None:
        self._video = Video(video)
        (folder / "reference_lmdb").mkdir()
        self.environment = lmdb.open(str(folder / "reference_lmdb"), map_size=1 << 30, readahead=False)
        self.count = 0

    def frame(self) -> None:
        """Do one frame."""
        image = Image.fromarray(np.asarray(cv2.cvtColor(self._video.next(), cv2.COLOR_BGR2RGB)))
        with io.BytesIO() as buffer:
            image.save(buffer, format="JPEG", quality=95, subsampling=0)
            content = buffer.getvalue()
        with self.environment.begin(write=True) as transaction:
            transaction.put(f"clip-{self.count:07}".encode(), content)
        self.count += 1


class PackRead:
    """What a trainer of the reference does to read a frame."""

    def __init__(self, written: PackWrite) -> None:
        self._written, self._index = written, 0

    def frame(self) -> None:
        """Do one frame."""
        with self._written.environment.begin() as transaction:
            content = transaction.get(f"clip-{self._index % self._written.count:07}".encode()) or b""
        self._index += 1
        with io.BytesIO(content) as buffer:
            np.asarray(Image.open(buffer).convert("RGB"))


def _detect(network: S3fd, frame: Frame) -> None:
    tensor = torch.from_numpy((frame.astype(np.float32) - (104, 117, 123)).transpose(2, 0, 1)[None].astype(np.float32))
    with torch.no_grad():
        for scores in network(tensor):
            scores.softmax(1)
