"""What stages hand on: names, dtypes, shapes and one number of frames."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from talkmill.stages.records import CropGeometry, FaceTrack, Record, RecordError


def track(frames: int = 3) -> FaceTrack:
    return FaceTrack(np.ones((frames, 4), np.float32), np.ones(frames, np.float32))


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    track().save(tmp_path / "track.npz")
    found = FaceTrack.load(tmp_path / "track.npz")
    for field in dataclasses.fields(FaceTrack):
        written, read = getattr(track(), field.name), getattr(found, field.name)
        assert read.dtype == written.dtype
        np.testing.assert_array_equal(read, written)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"boxes": np.ones((3, 4))}, r"FaceTrack.boxes is float64 \(3, 4\), float32 \(N, 4\) is wanted"),
        ({"boxes": np.ones((3, 5), np.float32)}, r"FaceTrack.boxes has the shape \(3, 5\), \(N, 4\) is wanted"),
        ({"scores": np.ones((3, 1), np.float32)}, r"FaceTrack.scores is float32 \(3, 1\)"),
        ({"scores": np.ones(2, np.float32)}, "FaceTrack: the arrays differ in their number of frames.*'scores': 2"),
    ],
)
def test_another_dtype_shape_or_length_is_refused(changed: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(RecordError, match=said):
        dataclasses.replace(track(), **changed)


def test_another_file_is_refused(tmp_path: Path) -> None:
    track().save(tmp_path / "track.npz")
    with pytest.raises(RecordError, match=r"CropGeometry: image_from_crop, face_boxes, valid are wanted"):
        CropGeometry.load(tmp_path / "track.npz")
    content = (tmp_path / "track.npz").read_bytes()
    for name, damaged in (("short", content[:100]), ("empty", b""), ("text", b"no archive")):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(RecordError):
            FaceTrack.load(tmp_path / name)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "o.npz", image_from_crop=np.array([{}], object), face_boxes=np.ones(1), valid=np.ones(1))
    with pytest.raises(RecordError, match=r"cannot be read.*allow_pickle"):
        CropGeometry.load(tmp_path / "o.npz")


def test_every_array_says_what_it_is() -> None:
    for kind in Record.__subclasses__():
        assert all({"dtype", "shape"} <= field.metadata.keys() for field in dataclasses.fields(kind))
        assert kind.__doc__ is not None
        assert all(f"{field.name}: (" in kind.__doc__ for field in dataclasses.fields(kind))
