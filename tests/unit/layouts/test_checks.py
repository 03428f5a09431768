"""Folders that are broken in one way each: the finding names the file and the cause; the whole ones are clean."""

import gzip
import io
import json
import os
import re
import shutil
import struct
import tarfile
import wave
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from talkmill.layouts.adnerf import AdNerf
from talkmill.layouts.checks.folder import check_folder
from talkmill.layouts.folder import ExportFolder, Part
from talkmill.layouts.gagavatar import GAGAvatar
from talkmill.layouts.hallo import EMBEDDINGS, MASKS, Hallo
from talkmill.layouts.latentsync import LatentSync
from talkmill.layouts.layout import Layout
from talkmill.layouts.media import write_movie
from talkmill.layouts.musetalk import MuseTalk
from talkmill.layouts.otavatar import OTAvatar
from talkmill.layouts.parquet import Parquet
from talkmill.layouts.pirender import PIRender
from talkmill.layouts.sadtalker import SadTalker
from talkmill.layouts.stableavatar import StableAvatar
from talkmill.layouts.video_json import VideoJson
from talkmill.layouts.wav2lip import Wav2Lip
from talkmill.layouts.webdataset import WebDataset
from talkmill.sound.audio import write_wav
from talkmill.video.images import encode_image
from tests.media import record

SECONDS_16 = 16 * 10


def pictures(count: int, side: int = 256) -> list[np.ndarray]:
    return [np.full((side, side, 3), 40 + number % 100, np.uint8) for number in range(count)]


def sound(count: int) -> np.ndarray:
    return np.full(count * 640, 500, np.int16)


def latentsync(folder: Path) -> Path:
    (folder / "train").mkdir()
    (folder / "train/a.mp4").write_bytes(coded_movie(50, 256))
    (folder / "fileslist_train.txt").write_text(f"{folder / 'train/a.mp4'}\n")
    (folder / "fileslist_val.txt").write_text("")
    return folder


def coded(image: np.ndarray) -> bytes:
    """A PNG."""
    return cv2.imencode(".png", image)[1].tobytes()


@cache
def coded_movie(count: int, side: int) -> bytes:
    """An .mp4 of 25 frames a second; it is encoded once."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "a.mp4"
        write_movie(path, Fraction(25), pictures(count, side), sound(count))
        return path.read_bytes()


def cut_short(path: Path) -> None:
    """Leave a picture its beginning: OpenCV then gives grey below."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def list_another(at: Path, inside: str, file: str) -> None:
    """Let a list name what lies elsewhere, as it does in a copy of an export."""
    other = at.parent / f"{at.name}-elsewhere" / inside
    other.parent.mkdir(parents=True)
    if (at / inside).is_dir():
        other.mkdir()
    else:
        other.write_bytes((at / inside).read_bytes())
    (at / file).write_text(f"{other}\n")


def musetalk(folder: Path) -> Path:
    root = folder / "dataset/HDTF"
    for name in ("video_audio_clip_root", "meta"):
        (root / name).mkdir(parents=True)
    count = SECONDS_16
    (root / "video_audio_clip_root/a.mp4").write_bytes(coded_movie(count, 256))
    write_wav(root / "video_audio_clip_root/a.wav", sound(count))
    meta = {
        "mp4_path": "dataset/HDTF/video_audio_clip_root/a.mp4",
        "wav_path": "dataset/HDTF/video_audio_clip_root/a.wav",
        "video_size": [256, 256],
        "face_size": [220, 210],
        "frames": count,
        "face_list": [[20, 20, 230, 240]] * count,
        "landmark_list": [[[100, 100]] * 68] * count,
        "isvalid": True,
    }
    (root / "meta/a.json").write_text(json.dumps(meta))
    (root / "train.txt").write_text("clip\na.json\n")
    (root / "val.txt").write_text("clip\n")
    return folder


def wav2lip(folder: Path) -> Path:
    (folder / "filelists").mkdir()
    for person, name in (("ann", "train"), ("bob", "val")):
        clip = folder / "data" / person / "a"
        clip.mkdir(parents=True)
        for number in range(30):
            cv2.imwrite(str(clip / f"{number}.jpg"), np.full((40, 30, 3), 99, np.uint8))
        write_wav(clip / "audio.wav", sound(30))
        (folder / f"filelists/{name}.txt").write_text(f"{person}/a\n")
    return folder


def hallo(folder: Path) -> Path:
    for name in ("videos", "audios", "images/a", "data", *MASKS, *EMBEDDINGS):
        (folder / name).mkdir(parents=True)
    write_movie(folder / "videos/a.mp4", Fraction(25), pictures(50, 64), sound(50))
    write_wav(folder / "audios/a.wav", sound(50))
    for number in range(50):
        cv2.imwrite(str(folder / f"images/a/{number:06}.jpg"), np.full((64, 64, 3), 99, np.uint8))
    for name in MASKS:
        cv2.imwrite(str(folder / name / "a.png"), np.full((64, 64), 255, np.uint8))
    for name in EMBEDDINGS:
        (folder / name / "a.pt").write_bytes(b"of another tool")
    row = {"image_path": "/data/images/a", "mask_path": "/data/face_mask/a.png", "face_emb": "/data/face_emb/a.pt"}
    (folder / "data/a_stage1.json").write_text(json.dumps([row]))
    return folder


def stableavatar(folder: Path, count: int = 81) -> Path:
    clip = folder / CLIP
    for name, shape in (("images", (512, 512, 3)), ("face_masks", (512, 512)), ("lip_masks", (512, 512))):
        (clip / name).mkdir(parents=True)
        content = coded(np.full(shape, 255, np.uint8))
        for number in range(count):
            (clip / f"{name}/frame_{number}.png").write_bytes(content)
    (clip / "sub_clip.mp4").write_bytes(coded_movie(count, 512))
    write_wav(clip / "audio.wav", sound(count))
    (folder / "video_square_path.txt").write_text(f"/train/{CLIP}\n")
    return folder


def adnerf(folder: Path) -> Path:
    """Eleven frames of 64x64: ten for training, one for evaluation."""
    clip, count = folder / "ann", 11
    for name in ("ori_imgs", "gt_imgs", "torso_imgs", "parsing", "teeth_mask"):
        (clip / name).mkdir(parents=True)
    grey, parts = np.full((64, 64, 3), 99, np.uint8), np.full((64, 64, 3), 255, np.uint8)
    parts[20:40, 20:40] = (255, 0, 0)
    cv2.imwrite(str(clip / "bc.jpg"), grey)
    for number in range(count):
        for name in ("ori_imgs", "gt_imgs"):
            cv2.imwrite(str(clip / f"{name}/{number}.jpg"), grey)
        np.savetxt(clip / f"ori_imgs/{number}.lms", np.full((68, 2), 30.0), "%f")
        cv2.imwrite(str(clip / f"torso_imgs/{number}.png"), np.full((64, 64, 4), 99, np.uint8))
        for name in (f"{number}.png", f"{number}_face.png"):
            cv2.imwrite(str(clip / "parsing" / name), parts)
        np.save(clip / f"teeth_mask/{number}.npy", np.zeros((64, 64), bool))
    matrix = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.7], [0, 0, 0, 1]]
    for split, numbers in (("train", range(10)), ("val", range(10, count))):
        frames = [{"img_id": number, "aud_id": number, "transform_matrix": matrix} for number in numbers]
        values = {"focal_len": 150.0, "cx": 32.0, "cy": 32.0, "frames": frames}
        (clip / f"transforms_{split}.json").write_text(json.dumps(values))
    units = ("AU01", "AU04", "AU05", "AU06", "AU07", "AU25", "AU45")
    rows = [", ".join(f"{number % 3}" for _ in units) for number in range(count)]
    (clip / "au.csv").write_text(
        "\n".join([", ".join(["frame", *(f"{unit}_r" for unit in units)]), *(f"1, {row}" for row in rows)])
    )
    np.save(clip / "bs.npy", np.zeros((count, 52)))
    write_movie(clip / "ann.mp4", Fraction(25), pictures(count, 64), sound(count))
    write_wav(clip / "aud.wav", sound(count))
    return folder


def edit_camera(folder: Path, **changes: object) -> None:
    """Change a camera of the training split."""
    path = folder / "ann/transforms_train.json"
    values = json.loads(path.read_text())
    values["frames"][3] |= changes
    path.write_text(json.dumps(values))


def camera_at(metres: float, across: float = 1) -> list[list[float]]:
    return [[across, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, metres], [0, 0, 0, 1]]


def replace_text(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def blurred(path: Path) -> None:
    cv2.imwrite(str(path), cv2.GaussianBlur(cv2.imread(str(path)), (5, 5), 0))


def move_to(folder: Path, line: str) -> None:
    """Move the clip of StableAvatar to where a line of the list then says."""
    (folder / line).parent.mkdir(parents=True)
    (folder / CLIP).rename(folder / line)
    (folder / "video_square_path.txt").write_text(f"{folder / line}\n")


def name_like_what_the_trainer_writes(at: Path) -> None:
    """Add a clip whose sound has the name under which MuseTalk converts that of the first."""
    shutil.copy(at / CLIPS / "a.wav", at / CLIPS / "a_16k.wav")
    shutil.copy(at / META, at / "dataset/HDTF/meta/b.json")
    edit(at / "dataset/HDTF/meta/b.json", wav_path=f"./{CLIPS}/a_16k.wav")
    (at / "dataset/HDTF/train.txt").write_text("clip\na.json\nb.json\n")


def amid_code(at: Path) -> None:
    """Put a trainer's code beside its data, with what no reader of the data sees: links to nothing, and a pipe."""
    (at / "models").mkdir()
    (at / "models/weights.pth").symlink_to("/gone/weights.pth")
    (at / "results").symlink_to("/gone/results")
    os.mkfifo(at / "models/log")


def keep_only(clip: Path, *numbers: int) -> None:
    for path in clip.glob("*.jpg"):
        if int(path.stem) not in numbers:
            path.unlink()


def video_json(folder: Path) -> Path:
    """16 frames a second, as both trainers want them."""
    for name in ("video", "wav", "control"):
        (folder / name).mkdir()
    write_movie(folder / "video/a.mp4", Fraction(16), pictures(32), sound(50))
    write_movie(folder / "control/a.mp4", Fraction(16), pictures(32))
    write_wav(folder / "wav/a.wav", sound(50))
    row = {
        "file_path": "video/a.mp4",
        "audio_path": "wav/a.wav",
        "control_file_path": "control/a.mp4",
        "text": "",
        "type": "video",
        "width": 256,
        "height": 256,
    }
    (folder / "metadata.json").write_text(json.dumps([row]))
    (folder / "metadata_test.json").write_text("[]")
    (folder / "metadata.csv").write_text(
        "video,prompt,input_audio,s2v_pose_video\nvideo/a.mp4,A person.,wav/a.wav,control/a.mp4\n"
    )
    return folder


def sample_files(count: int = 8) -> dict[str, bytes]:
    """A sample of WebDataset: ending to content."""
    with TemporaryDirectory() as scratch:
        movie, wav = Path(scratch) / "a.mp4", Path(scratch) / "a.wav"
        write_movie(movie, Fraction(25), pictures(count, 64), sound(count))
        write_wav(wav, sound(count))
        return {
            "mp4": movie.read_bytes(),
            "wav": wav.read_bytes(),
            "json": json.dumps({"frames": count}).encode(),
            "npz": npz(valid=np.ones(count, bool), landmarks=np.zeros((count, 68, 2), np.float32)),
        }


def one_array() -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros(3))
    return content.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def write_shard(path: Path, members: list[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as shard:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))


def members(folder: Path, shard: str = "train-000000.tar") -> list[tuple[str, bytes]]:
    with tarfile.open(folder / shard) as file:
        return [(member.name, file.extractfile(member).read()) for member in file]  # type: ignore[union-attr]


def webdataset(folder: Path) -> Path:
    files = sample_files()
    for shard, names in {"train-000000.tar": "ab", "train-000001.tar": "c", "test-000000.tar": "d"}.items():
        write_shard(folder / shard, [(f"{name}.{kind}", content) for name in names for kind, content in files.items()])
    return folder


def change(at: Path, **changes: bytes | None) -> None:
    """Change fields of sample a; None takes one out, another name puts one in."""
    fields = {name.split(".", 1)[1]: content for name, content in members(at) if name.startswith("a.")}
    fields = {kind: content for kind, content in (fields | changes).items() if content is not None}
    rest = [one for one in members(at) if one[0].startswith("b.")]
    write_shard(at / "train-000000.tar", [*((f"a.{kind}", content) for kind, content in fields.items()), *rest])


def renamed(archive: bytes, old: str, new: str) -> bytes:
    """An .npz with another name for one of its arrays."""
    written = io.BytesIO()
    with np.load(io.BytesIO(archive)) as arrays:
        np.savez(written, **{new if name == old else name: arrays[name] for name in arrays.files})
    return written.getvalue()


CARD = """---
license: unknown
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train.parquet}
  - {split: test, path: data/test.parquet}
---
# A set
"""


def parquet(folder: Path) -> Path:
    for name in ("video", "audio", "data"):
        (folder / name).mkdir()
    for split, name in (("train", "a"), ("test", "b")):
        write_movie(folder / f"video/{name}.mp4", Fraction(25), pictures(8, 64), sound(8))
        write_wav(folder / f"audio/{name}.wav", sound(8))
        pq.write_table(
            pa.table(ROW | {"video": [f"video/{name}.mp4"], "audio": [f"audio/{name}.wav"]}),
            folder / f"data/{split}.parquet",
        )
    (folder / "README.md").write_text(CARD)
    return folder


ROW = {"video": ["video/a.mp4"], "audio": ["audio/a.wav"], "frames": [8], "width": [64], "height": [64]}


def rewrite(at: Path, **columns: list[object]) -> None:
    """Write the table for training anew with other columns."""
    pq.write_table(pa.table(ROW | columns), at / "data/train.parquet")


def pirender(folder: Path) -> Path:
    """An LMDB as the trainer's own tool writes it."""
    with lmdb.open(str(folder / "256"), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for clip in ("ann#a", "bob#b"):
            transaction.put(f"{clip}-length".encode(), b"0000003")
            transaction.put(f"{clip}-coeff_3dmm".encode(), np.zeros((3, 260), np.float32).tobytes())
            for number, image in enumerate(pictures(3)):
                transaction.put(f"{clip}-{number:07}".encode(), encode_image(image))
    (folder / "train_list.txt").write_text("ann#a\n")
    (folder / "test_list.txt").write_text("bob#b\n")
    return folder


def otavatar(folder: Path) -> Path:
    """The same with what the camera and the loss take."""
    pirender(folder)
    for clip in ("ann#a", "bob#b"):
        put(folder, f"{clip}-condition", np.zeros((3, 7), np.float32).tobytes())
        put(folder, f"{clip}-keypoint", np.zeros((3, 68, 2), np.float32).tobytes())
        put(folder, f"{clip}-id", np.zeros((1, 100), np.float32).tobytes())
    return folder


def put(at: Path, key: str, value: bytes | None) -> None:
    """Write a value of the LMDB, or take it out."""
    with lmdb.open(str(at / "256"), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        if value is None:
            transaction.delete(key.encode())
        else:
            transaction.put(key.encode(), value)


def gagavatar(folder: Path) -> Path:
    with (
        lmdb.open(str(folder / "img_lmdb"), map_size=1 << 26) as environment,
        environment.begin(write=True) as transaction,
    ):
        for video in ("000001", "000002"):
            for number, image in enumerate(pictures(3, 512)):
                transaction.put(f"{video}_{number}".encode(), encode_image(image))
    frames = [f"000002_{number}" for number in range(3)]
    name_frames(folder, train=[f"000001_{number}" for number in range(3)], val=frames, test=frames)
    (folder / "optim.pkl").write_bytes(b"of another tool")
    return folder


def name_frames(at: Path, **splits: object) -> None:
    path = at / "dataset.json"
    old = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(old | splits))


def put_image(at: Path, key: str, value: bytes) -> None:
    with (
        lmdb.open(str(at / "img_lmdb"), map_size=1 << 26) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(key.encode(), value)


def sadtalker(folder: Path) -> Path:
    write_coefficients(folder)
    (folder / "a.png").write_bytes(encode_image(pictures(1)[0], "png"))
    write_movie(folder / "a.mp4", Fraction(25), pictures(8, 64), sound(8))
    write_wav(folder / "a.wav", sound(8))
    return folder


def write_coefficients(at: Path, **changes: np.ndarray | None) -> None:
    values = {"coeff_3dmm": np.zeros((8, 73), np.float32), "full_3dmm": np.zeros((1, 257), np.float32)} | changes
    savemat(at / "a.mat", {name: value for name, value in values.items() if value is not None})


def edit_row(at: Path, **changes: object) -> None:
    """Change the row of metadata.json; None takes a key out."""
    (row,) = json.loads((at / "metadata.json").read_text())
    row = {key: value for key, value in (row | changes).items() if value is not None}
    (at / "metadata.json").write_text(json.dumps([row]))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rename_key(path: Path, name: str) -> None:
    values = json.loads(path.read_text())
    values[f"{name}s"] = values.pop(name)
    path.write_text(json.dumps(values))


LATENTSYNC: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a clip in which nothing is heard": (
        lambda at: write_movie(at / "train/a.mp4", Fraction(25), pictures(50, 256), np.ones(32_000, np.int16)), "train/a.mp4", "is silent",
    ),
    "no clip to train on": (
        lambda at: [(at / "fileslist_val.txt").write_text((at / "fileslist_train.txt").read_text()), (at / "fileslist_train.txt").write_text("")],
        "fileslist_train.txt", "nothing to train on",
    ),
    "another file of that name": (lambda at: list_another(at, "train/a.mp4", "fileslist_train.txt"), "train/a.mp4", "lies outside this folder"),
    "no list and no clip": (
        lambda at: [(at / name).unlink() for name in ("fileslist_train.txt", "fileslist_val.txt", "train/a.mp4")],
        "fileslist_train.txt", "there is no such list, and no .mp4 file to train on",
    ),
    "no list, and a clip for testing alone": (
        lambda at: (at / "fileslist_train.txt").rename(at / "fileslist_val.txt"), "fileslist_train.txt", "no .mp4 file to train on",
    ),
    "no list, and a clip of another size": (
        lambda at: [(at / "fileslist_train.txt").unlink(), write_movie(at / "train/b.mp4", Fraction(25), pictures(50, 128), sound(50))],
        "train/b.mp4", "is 128x128",
    ),
    "no list, and what a file manager left": (
        lambda at: [(at / "fileslist_train.txt").unlink(), (at / "train/._a.mp4").write_bytes(b"x")],
        "train/._a.mp4", "cannot be read as a video",
    ),
    "no list, and two clips of one name": (
        lambda at: [(at / "fileslist_train.txt").unlink(), shutil.copytree(at / "train", at / "more")],
        "a.mp4", "2 clips have this file name",
    ),
    "an empty line": (
        lambda at: (at / "fileslist_val.txt").write_text("\n"), "fileslist_val.txt", "line 1 is empty",
    ),
    "a relative path": (
        lambda at: (at / "fileslist_train.txt").write_text("train/a.mp4\n"), "fileslist_train.txt", "no absolute path",
    ),
    "a lost clip": (lambda at: (at / "train/a.mp4").unlink(), "a.mp4", "there is no such file"),
    "no video": (lambda at: (at / "train/a.mp4").write_bytes(b"hello" * 99), "a.mp4", "cannot be read as a video"),
    "AV1": (
        lambda at: record(at / "train/a.mp4", [n / 25 for n in range(50)], codec="libsvtav1", options={"preset": "12"}),
        "a.mp4", "is av1",
    ),
    "a variable rate": (
        lambda at: record(at / "train/a.mp4", [n / 25 + (0.2 if n > 9 else 0) for n in range(50)]),
        "a.mp4", "variable rate",
    ),
    "30 frames a second": (
        lambda at: write_movie(at / "train/a.mp4", Fraction(30), pictures(60), sound(50)), "a.mp4", "has 30 frames a second",
    ),
    "another size": (
        lambda at: write_movie(at / "train/a.mp4", Fraction(25), pictures(50, 128), sound(50)), "a.mp4", "is 128x128",
    ),
    "too short": (
        lambda at: write_movie(at / "train/a.mp4", Fraction(25), pictures(40), sound(40)), "a.mp4", "has 40 frames",
    ),
    "no sound": (lambda at: write_movie(at / "train/a.mp4", Fraction(25), pictures(50)), "a.mp4", "has no sound"),
    "sound too short": (
        lambda at: write_movie(at / "train/a.mp4", Fraction(25), pictures(50), sound(40)), "a.mp4", "s of sound for 2.00 s",
    ),
}  # fmt: skip
META = "dataset/HDTF/meta/a.json"
CLIPS = "dataset/HDTF/video_audio_clip_root"
MUSETALK: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a box that is no number": (
        lambda at: edit(at / META, face_list=[[float("nan")] * 4] * 160), "a.json", "are not finite numbers"
    ),
    "JSON that is too deep": (
        lambda at: (at / META).write_text("[" * 200_000), "a.json", "is no JSON: maximum recursion depth"
    ),
    "no clip to train on": (
        lambda at: (at / "dataset/HDTF/train.txt").write_text("header\n"), "train.txt", "nothing to train on",
    ),
    "no list": (lambda at: (at / "dataset/HDTF/train.txt").unlink(), "train.txt", "there is no such list"),
    "a clip whose sound is written over": (
        lambda at: name_like_what_the_trainer_writes(at), "a_16k.wav", "writes the sound of a.json, and is the sound of b.json",
    ),
    "no header": (
        lambda at: (at / "dataset/HDTF/train.txt").write_text("a.json\na.json\n"), "train.txt", "throws the first line away",
    ),
    "an empty line": (
        lambda at: (at / "dataset/HDTF/train.txt").write_text("clip\n\na.json\n"), "train.txt", "line 2 is empty",
    ),
    "a clip in both lists": (
        lambda at: (at / "dataset/HDTF/val.txt").write_text("clip\na.json\n"), "a.json", "named 2 times",
    ),
    "a lost JSON": (lambda at: (at / META).unlink(), "a.json", "there is no such file"),
    "a renamed key": (lambda at: rename_key(at / META, "face_list"), "a.json", "KeyError: 'face_list'"),
    "a row too many": (
        lambda at: edit(at / META, landmark_list=[[[1, 1]] * 68] * (SECONDS_16 + 1)), "a.json", r"landmark_list is \(161, 68, 2\)",
    ),
    "67 points": (
        lambda at: edit(at / META, landmark_list=[[[1, 1]] * 67] * SECONDS_16), "a.json", r"landmark_list is \(160, 67, 2\)",
    ),
    "a box too few": (
        lambda at: edit(at / META, face_list=[[1, 1, 220, 220]] * (SECONDS_16 - 1)), "a.json", "face_list has 159 rows",
    ),
    "31 s": (
        lambda at: edit(at / META, frames=775, face_list=[[1, 1, 220, 220]] * 775, landmark_list=[[[1, 1]] * 68] * 775),
        "a.json", "has 775 frames; what begins after frame 699",
    ),
    "a small face": (
        lambda at: edit(at / META, face_list=[[1, 1, 150, 220]] * SECONDS_16), "a.json", "a face 149 pixels wide",
    ),
    "a sample short": (
        lambda at: write_wav(at / CLIPS / "a.wav", sound(SECONDS_16)[:-1]), "a.wav", "has 102399 samples; 102400 are expected",
    ),
    "no wav": (lambda at: (at / CLIPS / "a.wav").unlink(), "a.wav", "there is no such file"),
    "no PCM": (lambda at: (at / CLIPS / "a.wav").write_bytes(b"RIFF"), "a.wav", "is no PCM WAV"),
    "frames that differ": (
        lambda at: write_movie(at / CLIPS / "a.mp4", Fraction(25), pictures(150), sound(160)), "a.mp4", "has 150 frames",
    ),
    "a video without sound": (
        lambda at: write_movie(at / CLIPS / "a.mp4", Fraction(25), pictures(160)), "a.mp4", "has no sound",
    ),
}  # fmt: skip
VIDEO_JSON: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no clip to train on": (lambda at: (at / "metadata.json").write_text("[]"), "metadata.json", "nothing to train on"),
    "no row to train on": (
        lambda at: (at / "metadata.csv").write_text((at / "metadata.csv").read_text().splitlines()[0] + "\n"), "metadata.csv", "nothing to train on",
    ),
    "no array": (
        lambda at: (at / "metadata.json").write_text('{"a": 1}'), "metadata.json", "holds a dict; a list is expected",
    ),
    "no JSON": (lambda at: (at / "metadata.json").write_text("[}"), "metadata.json", "is no JSON"),
    "a row that is a path": (
        lambda at: (at / "metadata.json").write_text('["video/a.mp4"]'), "metadata.json", "row 0 is no object",
    ),
    "no text": (lambda at: edit_row(at, text=None), "metadata.json", "row 0 has no string `text`"),
    "no control": (
        lambda at: edit_row(at, control_file_path=None), "metadata.json", "no row has a `control_file_path`",
    ),
    "no type": (lambda at: edit_row(at, type=None), "metadata.json", "type None; with buckets it is read as an image"),
    "another size": (
        lambda at: edit_row(at, width=512), "metadata.json", "says that video/a.mp4 is 512x256, and it is 256x256",
    ),
    "a width alone": (lambda at: edit_row(at, height=None), "metadata.json", "row 0 is 256 wide and None high"),
    "a clip in both lists": (
        lambda at: (at / "metadata_test.json").write_bytes((at / "metadata.json").read_bytes()),
        "video/a.mp4", "is named 2 times in .json lists",
    ),
    "a path out of the folder": (
        lambda at: edit_row(at, file_path=f"../{at.name}/video/a.mp4"), "video/a.mp4", "lies outside this folder",
    ),
    "a path that no file system has": (
        lambda at: edit_row(at, file_path="a" * 5000), "aaa...", "cannot be read: File name too long",
    ),
    "a list that is no UTF-8": (
        lambda at: (at / "metadata.csv").write_bytes("video,prompt\nvideo/a.mp4,Ein Mädchen\n".encode("latin-1")),
        "metadata.csv", "is no UTF-8: line 2 has the byte 0xe4",
    ),
    "a lost control": (lambda at: (at / "control/a.mp4").unlink(), "control/a.mp4", "there is no such file"),
    "a short control": (
        lambda at: write_movie(at / "control/a.mp4", Fraction(16), pictures(31)),
        "control/a.mp4", "has 31 frames, video/a.mp4 has 32",
    ),
    "a small control": (
        lambda at: write_movie(at / "control/a.mp4", Fraction(16), pictures(32, 128)),
        "control/a.mp4", "is 128x128, video/a.mp4 is 256x256",
    ),
    "a sample short": (
        lambda at: write_wav(at / "wav/a.wav", np.zeros(30_999, np.int16)), "wav/a.wav", "has 30999 samples; 31000 are expected",
    ),
    "29.97 frames a second": (
        lambda at: write_movie(at / "video/a.mp4", Fraction(30_000, 1001), pictures(32), sound(27)),
        "video/a.mp4", r"gives 29\.97003 frames a second, and VideoX-Fun counts 29: .* 3.2% of the time",
    ),
    "25 frames a second": (
        lambda at: write_movie(at / "video/a.mp4", Fraction(25), pictures(32), sound(32)),
        "video/a.mp4", "has 25 frames a second; DiffSynth reads its sound for 16",
    ),
    "AV1": (
        lambda at: record(at / "video/a.mp4", [n / 25 for n in range(32)], codec="libsvtav1", options={"preset": "12"}),
        "video/a.mp4", "is av1",
    ),
    "an empty prompt": (
        lambda at: (at / "metadata.csv").write_text("video,prompt\nvideo/a.mp4,\n"),
        "metadata.csv", "row 0 has '' as prompt, which pandas reads as NaN",
    ),
    "no column": (
        lambda at: (at / "metadata.csv").write_text("video,text\nvideo/a.mp4,A person.\n"),
        "metadata.csv", "has no column prompt",
    ),
    "no list": (
        lambda at: [(at / f"metadata.{ending}").unlink() for ending in ("json", "csv")], "metadata.json", "no such list",
    ),
}  # fmt: skip

ANN = "data/ann/a"
HALLO: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no list": (lambda at: (at / "data/a_stage1.json").unlink(), "data", "holds no list of clips to train on"),
    "a list of clips for testing alone": (
        lambda at: (at / "data/a_stage1.json").rename(at / "data/talkmill_test_stage1.json"), "data", "no list of clips to train on",
    ),
    "no clip to train on": (lambda at: (at / "data/a_stage1.json").write_text("[]"), "a_stage1.json", "nothing to train on"),
    "a picture that is cut short": (lambda at: cut_short(at / "images/a/000010.jpg"), "000010.jpg", "cannot be read as a picture"),
    "no square": (
        lambda at: write_movie(at / "videos/a.mp4", Fraction(25), [np.zeros((64, 96, 3), np.uint8)] * 50, sound(50)),
        "a.mp4", "is 96x64; squares are expected",
    ),
    "too short": (
        lambda at: write_movie(at / "videos/a.mp4", Fraction(25), pictures(49, 64), sound(49)), "a.mp4", "has 49 frames",
    ),
    "a lost picture": (lambda at: (at / "images/a/000007.jpg").unlink(), "images/a", "49 pictures of 50 frames"),
    "a sample short": (lambda at: write_wav(at / "audios/a.wav", sound(50)[1:]), "a.wav", "has 31999 samples"),
    "sound in which nothing is heard": (lambda at: write_wav(at / "audios/a.wav", np.ones(32_000, np.int16)), "a.wav", "is silent"),
    "no mask": (lambda at: (at / "sep_lip_mask/a.png").unlink(), "sep_lip_mask/a.png", "there is no such mask"),
    "a mask in colour": (
        lambda at: cv2.imwrite(str(at / "sep_face_mask/a.png"), np.full((64, 64, 3), 9, np.uint8)),
        "sep_face_mask/a.png", "has 3 channels",
    ),
    "a mask of another size": (
        lambda at: cv2.imwrite(str(at / "face_mask/a.png"), np.full((32, 32), 9, np.uint8)), "face_mask/a.png", "is 32x32",
    ),
    "a black mask": (
        lambda at: cv2.imwrite(str(at / "face_mask/a.png"), np.zeros((64, 64), np.uint8)), "face_mask/a.png", "is black",
    ),
    "no embedding": (lambda at: (at / "audio_emb/a.pt").unlink(), "audio_emb/a.pt", "there is no such file"),
    "a renamed key": (
        lambda at: (at / "data/a_stage1.json").write_text('[{"image": "a"}]'), "a_stage1.json", "row 0 has no image_path",
    ),
    "a row of two clips": (
        lambda at: replace_text(at / "data/a_stage1.json", "face_mask/a", "face_mask/b"), "a_stage1.json", "row 0 names files of 2 clips",
    ),
    "a row of a clip that is not there": (
        lambda at: (at / "data/a_stage1.json").write_text(json.dumps([dict.fromkeys(("image_path", "mask_path", "face_emb"), "images/c")])),
        "a_stage1.json", "row 0 names images/c, and nothing is there",
    ),
    "a word of the scripts": (
        lambda at: write_movie(at / "videos/my_images.mp4", Fraction(25), pictures(50, 64)), "my_images.mp4", "'images' in its name",
    ),
}  # fmt: skip
WAV2LIP: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a clip whose name is a pattern": (
        lambda at: [
            (at / "data/ann/a").rename(at / "data/ann/a[1]"), replace_text(at / "filelists/train.txt", "ann/a", "ann/a[1]")
        ], "data/ann/a[1]", "which the reader's glob takes for a pattern",
    ),
    "a face that is cut short": (lambda at: cut_short(at / "data/ann/a/7.jpg"), "ann/a/7.jpg", "cannot be read as a picture"),
    "no list": (lambda at: (at / "filelists/val.txt").unlink(), "val.txt", "there is no such list"),
    "nothing to evaluate on": (
        lambda at: (at / "filelists/val.txt").write_text(""), "val.txt", "names no clip: the first evaluation never ends",
    ),
    "an empty line": (
        lambda at: (at / "filelists/train.txt").write_text("ann/a\n\n"), "train.txt", "line 2 is empty",
    ),
    "a lost folder": (
        lambda at: (at / "filelists/train.txt").write_text("ann/a\nann/b\n"), "data/ann/b", "there is no such folder",
    ),
    "a space in a name": (
        lambda at: (at / "filelists/train.txt").write_text("ann lee/a\n"), "data/ann", "has 0 frames; under 16",
    ),
    "a person in two lists": (
        lambda at: (at / "filelists/test.txt").write_text("ann/a\n"), "test.txt", "ann is in filelists/train.txt too",
    ),
    "a file that is no picture": (
        lambda at: (at / ANN / "3.jpg").write_bytes(b"hello"), "a/3.jpg", "cannot be read as a picture",
    ),
    "a name that is no number": (
        lambda at: (at / ANN / "3.jpg").rename(at / ANN / "frame_3.jpg"), "frame_3.jpg", "has a name that is no number",
    ),
    "a padded number": (
        lambda at: (at / ANN / "3.jpg").rename(at / ANN / "003.jpg"), "003.jpg", "has a name that is no number",
    ),
    "fifteen frames": (lambda at: keep_only(at / ANN, *range(15)), ANN, "has 15 frames; under 16"),
    "gaps everywhere": (
        lambda at: keep_only(at / ANN, *(n for n in range(30) if n % 5)), ANN, "0 of its frames start five",
    ),
    "one window": (
        lambda at: keep_only(at / ANN, *range(1, 6), *range(8, 30, 2)), ANN, "^1 of its frames start five",
    ),
    "a sample short": (
        lambda at: write_wav(at / ANN / "audio.wav", sound(30)[:-1]), "audio.wav", "has 19199 samples; 19200 are expected",
    ),
    "no sound": (lambda at: (at / ANN / "audio.wav").unlink(), "audio.wav", "there is no such file"),
    "no sound where the windows are": (
        lambda at: write_wav(at / ANN / "audio.wav", sound(5)), ANN, "have sound before and after",
    ),
}  # fmt: skip

CAMERAS = "ann/transforms_train.json"
ADNERF: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a folder that is not there": (lambda at: (at / "train.txt").write_text("ann\nbob\n"), "train.txt", "names 'bob'"),
    "a picture that is cut short": (lambda at: cut_short(at / "ann/gt_imgs/3.jpg"), "gt_imgs/3.jpg", "cannot be read as a picture"),
    "no cameras of a split": (lambda at: (at / "ann/transforms_val.json").unlink(), "transforms_val.json", "there is no such file"),
    "no focal length": (lambda at: rename_key(at / CAMERAS, "focal_len"), CAMERAS, "KeyError: 'focal_len'"),
    "an odd side": (lambda at: edit(at / CAMERAS, cx=32.5), CAMERAS, r"axis at \(32.5, 32.0\); .* taken to be 64x64"),
    "a split without frames": (lambda at: edit(at / CAMERAS, frames=[]), CAMERAS, "names no frame"),
    "a camera in units of 10 cm": (
        lambda at: edit_camera(at, transform_matrix=camera_at(7)), CAMERAS, "frame 3 is 7.0 m from the head.*divide .* by 10",
    ),
    "a camera that looks away": (
        lambda at: edit_camera(at, transform_matrix=camera_at(-0.7)), CAMERAS, "camera of frame 3 looks away",
    ),
    "a mirrored camera": (
        lambda at: edit_camera(at, transform_matrix=camera_at(0.7, across=-1)), CAMERAS, "frame 3 has a camera that is no rotation",
    ),
    "matrices of three rows": (
        lambda at: edit(at / CAMERAS, frames=[{"img_id": 0, "aud_id": 0, "transform_matrix": camera_at(1)[:3]}]),
        CAMERAS, r"has matrices of \(3, 4\)",
    ),
    "the sound of another frame": (lambda at: edit_camera(at, aud_id=4), CAMERAS, "gives picture 3 the sound of 4"),
    "a frame that is named twice": (lambda at: edit_camera(at, img_id=4, aud_id=4), CAMERAS, "name frame 4 twice"),
    "another JSON": (lambda at: (at / "ann/clip.json").write_text("{}"), "ann/clip.json", "is read as cameras"),
    "no background": (lambda at: (at / "ann/bc.jpg").unlink(), "ann/bc.jpg", "there is no such picture"),
    "a background of another size": (
        lambda at: cv2.imwrite(str(at / "ann/bc.jpg"), np.zeros((32, 32, 3), np.uint8)), "bc.jpg", "is 32x32, .* 64x64",
    ),
    "a lost picture": (lambda at: (at / "ann/gt_imgs/7.jpg").unlink(), "gt_imgs/7.jpg", "there is no such picture"),
    "a torso without alpha": (
        lambda at: cv2.imwrite(str(at / "ann/torso_imgs/7.png"), np.zeros((64, 64, 3), np.uint8)),
        "torso_imgs/7.png", "has pixels of RGB; RGBA is expected",
    ),
    "a torso that is no picture": (
        lambda at: (at / "ann/torso_imgs/7.png").write_bytes(b"hello"), "torso_imgs/7.png", "cannot be read as a picture",
    ),
    "67 points": (
        lambda at: np.savetxt(at / "ann/ori_imgs/7.lms", np.ones((67, 2))), "ori_imgs/7.lms", r"holds \(67, 2\); \(68, 2\)",
    ),
    "no points": (lambda at: (at / "ann/ori_imgs/7.lms").unlink(), "ori_imgs/7.lms", "there is no such file"),
    "points of another picture": (
        lambda at: np.savetxt(at / "ann/ori_imgs/7.lms", np.full((68, 2), 300.0)), "7.lms", "points outside the picture",
    ),
    "soft edges": (lambda at: blurred(at / "ann/parsing/7.png"), "parsing/7.png", "which stand for no part; .*nearest"),
    "red for the head": (
        lambda at: cv2.imwrite(str(at / "ann/parsing/7.png"), cv2.imread(str(at / "ann/parsing/7.png"))[..., ::-1]),
        "parsing/7.png", "has no head",
    ),
    "no face for --portrait": (lambda at: (at / "ann/parsing/7_face.png").unlink(), "7_face.png", "there is no such picture"),
    "teeth as numbers": (
        lambda at: np.save(at / "ann/teeth_mask/7.npy", np.zeros((64, 64))), "teeth_mask/7.npy", "is float64",
    ),
    "no teeth": (lambda at: (at / "ann/teeth_mask/7.npy").unlink(), "teeth_mask/7.npy", "there is no such file"),
    "no action units": (lambda at: (at / "ann/au.csv").unlink(), "au.csv", "there is no such file"),
    "names without a space": (lambda at: replace_text(at / "ann/au.csv", " AU45", "AU45"), "au.csv", "no column ' AU45_r'"),
    "a row too few": (
        lambda at: (at / "ann/au.csv").write_text((at / "ann/au.csv").read_text().rsplit("\n", 1)[0]),
        "au.csv", "has 10 rows; 11 frames are expected",
    ),
    "an intensity of 7": (lambda at: replace_text(at / "ann/au.csv", "1, 2", "1, 7"), "au.csv", "outside 0 to 5"),
    "an intensity that is none": (lambda at: replace_text(at / "ann/au.csv", "1, 2", "1, -"), "au.csv", "cannot be read"),
    "eyes that never shut": (
        lambda at: [replace_text(at / "ann/au.csv", f", {one}", ", 0") for one in (1, 2)], "au.csv", "the same AU45",
    ),
    "51 coefficients": (lambda at: np.save(at / "ann/bs.npy", np.zeros((11, 51))), "bs.npy", r"is \(11, 51\)"),
    "coefficients that are none": (
        lambda at: np.save(at / "ann/bs.npy", np.full((11, 52), np.nan)), "bs.npy", "holds values that are not finite numbers",
    ),
    "no coefficients": (lambda at: (at / "ann/bs.npy").unlink(), "bs.npy", "there is no such file.*--au45"),
    "a sample short": (lambda at: write_wav(at / "ann/aud.wav", sound(11)[1:]), "aud.wav", "has 7039 samples; 7040 are expected"),
    "frames that differ": (
        lambda at: write_movie(at / "ann/ann.mp4", Fraction(25), pictures(10, 64)), "ann.mp4", "has 10 frames, cameras go to 10",
    ),
    "no video": (lambda at: (at / "ann/ann.mp4").unlink(), "ann.mp4", "there is no such file"),
    "30 frames a second": (
        lambda at: write_movie(at / "ann/ann.mp4", Fraction(30), pictures(11, 64)), "ann.mp4", "has 30 frames a second",
    ),
}  # fmt: skip

CLIP = "talking_face_data/square/speech/a"
FACE, LIPS, IMAGE = (f"{CLIP}/{name}/frame_3.png" for name in ("face_masks", "lip_masks", "images"))
STABLEAVATAR: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no list": (lambda at: (at / "video_square_path.txt").unlink(), "video_square_path.txt", "there is no such list"),
    "an empty list": (lambda at: (at / "video_square_path.txt").write_text(""), "path.txt", "names no clip: there is nothing to train on"),
    "clips for testing alone": (
        lambda at: [
            (at / "video_square_path_test.txt").write_text(f"/train/{CLIP}\n"), (at / "video_square_path.txt").write_text("")
        ], "path.txt", "names no clip: there is nothing to train on",
    ),
    "a list of clips for testing alone": (
        lambda at: (at / "video_square_path.txt").rename(at / "video_square_path_test.txt"), "path.txt", "there is no such list",
    ),
    "a frame that is cut short": (lambda at: cut_short(at / CLIP / "images/frame_3.png"), "frame_3.png", "cannot be read as a picture"),
    "another folder of that name": (lambda at: list_another(at, CLIP, "video_square_path.txt"), CLIP, "lies outside this folder"),
    "an empty line": (
        lambda at: (at / "video_square_path.txt").write_text(f"/train/{CLIP}\n\n"), "path.txt", "line 2 is empty",
    ),
    "a relative path": (
        lambda at: (at / "video_square_path.txt").write_text(f"{CLIP}\n"), "path.txt", "is no absolute path",
    ),
    "a lost folder": (
        lambda at: (at / "video_square_path.txt").write_text("/square/speech/b\n"), "speech/b", "there is no such folder",
    ),
    "a path without a kind": (
        lambda at: move_to(at, "square/talk/a"), "path.txt", "holds none of singing, speech, dancing: .*divides by zero",
    ),
    "a path with two kinds": (
        lambda at: move_to(at, "singing_data/square/speech/a"), "path.txt", "holds singing and speech: it is read as singing",
    ),
    "a folder of no size": (lambda at: move_to(at, "faces/speech/a"), "faces/speech/a", "lies in none of square, rec, vec"),
    "squares where others belong": (lambda at: move_to(at, "rec/speech/a"), "frame_0.png", "512x512, .*stretched to 832x480"),
    "a mask of three channels": (
        lambda at: cv2.imwrite(str(at / FACE), np.full((512, 512, 3), 255, np.uint8)), FACE, "has pixels of RGB; L is expected",
    ),
    "a mask of 16 bits": (
        lambda at: cv2.imwrite(str(at / LIPS), np.full((512, 512), 255, np.uint16)), LIPS, "has pixels of I;16; L is expected",
    ),
    "a mask of ones": (
        lambda at: cv2.imwrite(str(at / LIPS), np.ones((512, 512), np.uint8)), LIPS, "has no pixel over 1; 255",
    ),
    "a lost mask of a face": (lambda at: (at / FACE).unlink(), FACE, "there is no such mask"),
    "a lost mask of lips": (lambda at: (at / LIPS).unlink(), LIPS, "there is no such mask"),
    "a mask that is no picture": (lambda at: (at / FACE).write_bytes(b"hello"), FACE, "cannot be read as a picture"),
    "a mask of another size": (
        lambda at: cv2.imwrite(str(at / FACE), np.full((256, 256), 255, np.uint8)), FACE, "is 256x256, its picture 512x512",
    ),
    "a mask of no picture": (
        lambda at: (at / FACE).with_name("frame_81.png").write_bytes((at / FACE).read_bytes()),
        "face_masks/frame_81.png", "is a mask without a picture",
    ),
    "a picture that cannot be read": (lambda at: (at / IMAGE).write_bytes(b"hello"), IMAGE, "cannot be read as a picture"),
    "a gap": (
        lambda at: (at / IMAGE).rename((at / IMAGE).with_name("frame_99.png")), "images/frame_99.png", "to frame_80.png",
    ),
    "80 frames": (lambda at: (at / CLIP / "images/frame_80.png").unlink(), "images", "has 80 frames; of fewer than 81"),
    "frames that differ": (
        lambda at: write_movie(at / CLIP / "sub_clip.mp4", Fraction(25), pictures(90, 512)), "sub_clip.mp4", "has 90 frames",
    ),
    "no video": (lambda at: (at / CLIP / "sub_clip.mp4").unlink(), "sub_clip.mp4", "there is no such file"),
    "sound too short": (
        lambda at: write_wav(at / CLIP / "audio.wav", sound(80)), "audio.wav", "has 51200 samples; 51840 are expected",
    ),
}  # fmt: skip


TRAIN = "data/train.parquet"
PARQUET: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a time that Python cannot hold": (
        lambda at: rewrite(at, when=pa.array([2**62], pa.timestamp("us"))), "data/train.parquet", "values in when",
    ),
    "a date that is none in the card": (
        lambda at: (at / "README.md").write_text(CARD.replace("license:", "date: 2024-13-45\nlicense:")),
        "README.md", "cannot be read",
    ),
    "a card that names an absolute path": (
        lambda at: replace_text(at / "README.md", "data/train.parquet", "/data/train.parquet"), "README.md", "no such file"
    ),
    "no table": (lambda at: [path.unlink() for path in at.glob("data/*")], TRAIN, "there is no such list"),
    "a table that is none": (lambda at: (at / TRAIN).write_bytes(b"PAR1hello"), TRAIN, "cannot be read"),
    "an empty table": (lambda at: pq.write_table(pq.read_table(at / TRAIN)[:0], at / TRAIN), TRAIN, "has no row"),
    "a column of another type": (
        lambda at: rewrite(at, frames=[8.0]), TRAIN, r"other columns than data/test.parquet: frames \(double\), frames \(int64\)",
    ),
    "a column too few": (
        lambda at: pq.write_table(pa.table({"video": ["video/a.mp4"]}), at / TRAIN), TRAIN, r"audio \(string\), frames \(int64\)",
    ),
    "a lost video": (lambda at: (at / "video/a.mp4").unlink(), "video/a.mp4", "there is no such file"),
    "a lost sound": (lambda at: (at / "audio/a.wav").unlink(), "audio/a.wav", "there is no such file"),
    "a row without a video": (lambda at: rewrite(at, video=[None]), TRAIN, "row 1 names no video"),
    "a count that differs": (
        lambda at: rewrite(at, frames=[9]), TRAIN, "says 9 for frames of video/a.mp4, which has 8",
    ),
    "a size that differs": (lambda at: rewrite(at, width=[32]), TRAIN, "says 32 for width of video/a.mp4"),
    "a clip in both splits": (lambda at: rewrite(at, video=["video/b.mp4"]), "video/b.mp4", "is named by 2 rows"),
    "sound too short": (lambda at: write_wav(at / "audio/a.wav", sound(7)), "a.wav", r"has 0\.280 s of sound, its frames last 0\.320 s"),
    "no card": (lambda at: (at / "README.md").unlink(), "README.md", "there is no such card"),
    "a card without a head": (lambda at: (at / "README.md").write_text("# A set\n"), "README.md", "begins with no YAML"),
    "a head that is no YAML": (
        lambda at: (at / "README.md").write_text("---\nlicense: [\n---\n"), "README.md", "head that cannot be read",
    ),
    "a card without a licence": (
        lambda at: (at / "README.md").write_text(CARD.replace("license", "licence")), "README.md", "says no license",
    ),
    "a table that the card names": (
        lambda at: (at / "data/test.parquet").unlink(), "README.md", "names data/test.parquet, and there is no such file",
    ),
}  # fmt: skip
PIRENDER: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no list": (lambda at: (at / "test_list.txt").unlink(), "test_list.txt", "there is no such list"),
    "no clip": (
        lambda at: [(at / file).write_text("") for file in ("train_list.txt", "test_list.txt")], "train_list.txt", "names no clip",
    ),
    "no clip to train on": (lambda at: (at / "train_list.txt").write_text(""), "train_list.txt", "nothing to train on"),
    "an empty line": (lambda at: (at / "train_list.txt").write_text("ann#a\n\n"), "train_list.txt", "line 2 is empty"),
    "a space after a name": (
        lambda at: (at / "train_list.txt").write_text("ann#a \n"), "train_list.txt", "line 1 is 'ann#a '",
    ),
    "a clip in both lists": (
        lambda at: (at / "test_list.txt").write_text("ann#a\n"), "train_list.txt", "ann#a is named 2 times",
    ),
    "no LMDB": (lambda at: (at / "256/data.mdb").unlink(), "256/data.mdb", "there is no such LMDB"),
    "an LMDB that is none": (lambda at: (at / "256/data.mdb").write_bytes(b"hello" * 999), "256/data.mdb", "cannot be read"),
    "an LMDB that is cut short": (
        lambda at: (at / "256/data.mdb").write_bytes((at / "256/data.mdb").read_bytes()[:20_000]), "256/data.mdb", "cut short",
    ),
    "a folder without a size": (lambda at: (at / "256").rename(at / "lmdb"), "lmdb/data.mdb", "looks for the size"),
    "another size": (lambda at: (at / "256").rename(at / "512"), "ann#a-0000000", "is 256x256, as 3 of 3 frames; images of 512"),
    "a clip that is not there": (
        lambda at: (at / "train_list.txt").write_text("ann#c\n"), "ann#c-length", "there is no such key",
    ),
    "a length that is none": (lambda at: put(at, "ann#a-length", b"\x03"), "ann#a-length", "a number of frames is expected"),
    "a length that no memory holds": (
        lambda at: put(at, "ann#a-length", b"9999999999"), "ann#a-length", "is 9999999999, and the LMDB holds"
    ),
    "a length of thousands of digits": (
        lambda at: put(at, "ann#a-length", b"9" * 5000), "ann#a-length", "a number of frames is expected"
    ),
    "a lost frame": (lambda at: put(at, "ann#a-0000001", None), "ann#a-0000001", "is not there, as 1 of 3 frames"),
    "a pickle in place of a frame": (
        lambda at: put(at, "ann#a-0000002", b"cos\nsystem\n."), "ann#a-0000002", "is no JPEG and no PNG, as 1 of 3",
    ),
    "a grey frame": (
        lambda at: put(at, "ann#a-0000002", coded(np.zeros((256, 256), np.uint8))), "ann#a-0000002", "is L, as 1 of 3 frames",
    ),
    "a frame with alpha": (
        lambda at: put(at, "ann#a-0000002", coded(np.zeros((256, 256, 4), np.uint8))), "ann#a-0000002", "is RGBA, as 1 of 3",
    ),
    "no coefficients": (lambda at: put(at, "ann#a-coeff_3dmm", None), "ann#a-coeff_3dmm", "there is no such key"),
    "a row too few": (
        lambda at: put(at, "ann#a-coeff_3dmm", np.zeros((2, 260), np.float32).tobytes()), "coeff_3dmm", "has 2080 bytes; 3120",
    ),
    "no parameters of the crop": (
        lambda at: put(at, "ann#a-coeff_3dmm", np.zeros((3, 257), np.float32).tobytes()), "coeff_3dmm", "has 3084 bytes",
    ),
    "float64": (
        lambda at: put(at, "ann#a-coeff_3dmm", np.zeros((3, 260)).tobytes()), "coeff_3dmm", "it holds float64",
    ),
    "NaN": (
        lambda at: put(at, "ann#a-coeff_3dmm", np.full((3, 260), np.nan, np.float32).tobytes()), "coeff_3dmm", "not finite in 3",
    ),
}  # fmt: skip
OTAVATAR: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no list": (lambda at: (at / "train_list.txt").unlink(), "train_list.txt", "there is no such list"),
    "no LMDB": (lambda at: (at / "256/data.mdb").unlink(), "512/data.mdb", "there is no such LMDB"),
    "no coefficients": (lambda at: put(at, "ann#a-coeff_3dmm", None), "ann#a-coeff_3dmm", "there is no such key"),
    "no camera": (lambda at: put(at, "ann#a-condition", None), "ann#a-condition", "there is no such key"),
    "a camera without its focal length": (
        lambda at: put(at, "ann#a-condition", np.zeros((3, 6), np.float32).tobytes()), "condition", "has 72 bytes; 84 are expected",
    ),
    "a camera that is not finite": (
        lambda at: put(at, "ann#a-condition", np.full((3, 7), np.inf, np.float32).tobytes()), "condition", "not finite in 3",
    ),
    "no points": (lambda at: put(at, "bob#b-keypoint", None), "bob#b-keypoint", "there is no such key"),
    "points of float64": (
        lambda at: put(at, "bob#b-keypoint", np.zeros((3, 68, 2)).tobytes()), "bob#b-keypoint", "it holds float64",
    ),
    "51 points": (
        lambda at: put(at, "bob#b-keypoint", np.zeros((3, 51, 2), np.float32).tobytes()), "bob#b-keypoint", "1632 are expected",
    ),
    "no identity": (lambda at: put(at, "ann#a-id", None), "ann#a-id", "there is no such key"),
    "an empty identity": (lambda at: put(at, "ann#a-id", b""), "ann#a-id", "has 0 bytes that are no row"),
    "identities of two bases": (
        lambda at: put(at, "bob#b-id", np.zeros(80, np.float32).tobytes()), "bob#b-id", "has 80 numbers, that of ann#a has 100",
    ),
    "a clip of one frame": (lambda at: put(at, "ann#a-length", b"0000001"), "ann#a-length", "is 1; 2 frames are needed"),
}  # fmt: skip
IMAGES = "img_lmdb/data.mdb"
GAGAVATAR: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a key that is no text": (
        lambda at: (at / "dataset.json").write_text(
            (at / "dataset.json").read_text().replace("000001_0", "\\ud800_0")
        ), r"\ud800_0", "is not there",
    ),
    "no list": (lambda at: (at / "dataset.json").unlink(), "dataset.json", "there is no such list"),
    "no JSON": (lambda at: (at / "dataset.json").write_text("{"), "dataset.json", "is no JSON"),
    "no val": (lambda at: (at / "dataset.json").write_text('{"train": []}'), "dataset.json", "has no array val and test"),
    "nothing to train on": (lambda at: name_frames(at, train=[]), "dataset.json", "names no frame to train on"),
    "a name with a further _": (
        lambda at: name_frames(at, train=["ann_lee_0", "ann_lee_1"]), "dataset.json", "train names ann_lee_0, as 2 of 2",
    ),
    "one frame": (
        lambda at: name_frames(at, train=["000001_0"]), "dataset.json", "train names one frame of 000001, but two are needed",
    ),
    "a frame twice": (
        lambda at: name_frames(at, train=["000001_0", "000001_0"]), "dataset.json", "train names 000001_0 2 times",
    ),
    "a video in two lists": (
        lambda at: name_frames(at, val=["000001_0", "000001_1"]), "dataset.json", "000001 is in train and val",
    ),
    "no fit": (lambda at: (at / "optim.pkl").unlink(), "optim.pkl", "there is no such file"),
    "no LMDB": (lambda at: (at / IMAGES).unlink(), IMAGES, "there is no such LMDB"),
    "an LMDB that is none": (lambda at: (at / IMAGES).write_bytes(b"hello" * 999), IMAGES, "cannot be read"),
    "a lost frame": (
        lambda at: name_frames(at, train=["000001_2", "000001_3"]), "000001_3", "is not there, as 1 of 5 frames",
    ),
    "a pickle in place of a frame": (
        lambda at: put_image(at, "000001_1", b"cos\nsystem\n."), "000001_1", "is no JPEG and no PNG, as 1 of 6",
    ),
    "another size": (
        lambda at: put_image(at, "000001_1", encode_image(pictures(1)[0])), "000001_1", "is 256x256, as 1 of 6 frames; images of 512",
    ),
}  # fmt: skip
SADTALKER: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no file": (lambda at: (at / "a.mat").unlink(), "train", "no .mat file lies here"),
    "no .mat": (lambda at: (at / "a.mat").write_bytes(b"hello" * 99), "a.mat", "cannot be read: SciPy does not read it"),
    "a .mat that is cut short": (
        lambda at: (at / "a.mat").write_bytes((at / "a.mat").read_bytes()[:900]), "a.mat", "cannot be read",
    ),
    "no coefficients": (lambda at: write_coefficients(at, coeff_3dmm=None), "a.mat", "holds no coeff_3dmm"),
    "no first frame": (lambda at: write_coefficients(at, full_3dmm=None), "a.mat", "holds no full_3dmm"),
    "70 columns": (
        lambda at: write_coefficients(at, coeff_3dmm=np.zeros((8, 70))), "a.mat", r"coeff_3dmm \(8, 70\); \(N, 73\) is expected",
    ),
    "objects": (
        lambda at: write_coefficients(at, coeff_3dmm=np.array([{"a": 1}], object)), "a.mat", "holds no coeff_3dmm",
    ),
    "NaN": (
        lambda at: write_coefficients(at, coeff_3dmm=np.full((8, 73), np.nan)), "a.mat", "not finite in 8 rows",
    ),
    "a row too few": (
        lambda at: write_coefficients(at, coeff_3dmm=np.zeros((7, 73))), "a.mp4", "has 8 frames, a.mat has 7 rows",
    ),
    "30 frames a second": (
        lambda at: write_movie(at / "a.mp4", Fraction(30), pictures(8, 64)), "a.mp4", "has 30 frames a second",
    ),
    "sound too short": (lambda at: write_wav(at / "a.wav", sound(7)), "a.wav", "has 4480 samples; 5120 are expected"),
    "a picture that is none": (lambda at: (at / "a.png").write_bytes(b"hello"), "a.png", "cannot be read as a picture"),
}  # fmt: skip
SHARD = "train-000000.tar"
WEBDATASET: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a packed shard that is cut short": (
        lambda at: [pack(at), cut_short(at / "train-000000.tar.gz")], "train-000000.tar.gz", "cannot be read to its end",
    ),
    "a date for a number": (
        lambda at: (at / "train-000001.tar").rename(at / "train-20261128123456.tar"), "train-000001.tar", "is not there",
    ),
    "an array for an archive": (lambda at: change(at, npz=one_array()), "a.npz", "cannot be read without pickles"),
    "no shard": (lambda at: [path.unlink() for path in at.glob("*.tar")], ".", "no .tar file lies here"),
    "no tar": (lambda at: (at / SHARD).write_bytes(b"hello" * 999), SHARD, "cannot be read to its end"),
    "a shard that is cut short": (
        lambda at: (at / SHARD).write_bytes((at / SHARD).read_bytes()[:3000]), SHARD, "cannot be read to its end",
    ),
    "an empty shard": (lambda at: write_shard(at / SHARD, []), SHARD, "holds no sample"),
    "a number that is missing": (
        lambda at: (at / "train-000001.tar").rename(at / "train-000003.tar"), "train-000001.tar", "is not there",
    ),
    "a sample in two shards": (
        lambda at: (at / "test-000000.tar").write_bytes((at / SHARD).read_bytes()), f"{SHARD}: a", "lies in test-000000.tar too",
    ),
    "files of a sample that lie apart": (
        lambda at: write_shard(at / SHARD, sorted(members(at), key=lambda one: one[0][2:])),
        f"{SHARD}: a", "lies apart in the shard",
    ),
    "a field twice": (
        lambda at: write_shard(at / SHARD, [members(at)[0], *members(at)]), "a.mp4", "is the second mp4 of its sample",
    ),
    "a name without an ending": (
        lambda at: write_shard(at / SHARD, [*members(at), ("README", b"hello")]), f"{SHARD}: README", "has no ending",
    ),
    "a field that is missing": (lambda at: change(at, npz=None), f"{SHARD}: a", "lacks npz, npz/.*, as 1 of 4 samples, unlike 3"),
    "a renamed array": (
        lambda at: change(at, npz=renamed(sample_files()["npz"], "valid", "is_valid")), f"{SHARD}: a",
        "lacks npz/valid and has npz/is_valid too, as 1 of 4",
    ),
    "a renamed key of the JSON": (
        lambda at: change(at, json=sample_files()["json"].replace(b"frames", b"frame_count")), f"{SHARD}: a",
        "lacks json/frames and has json/frame_count too, as 1 of 4",
    ),
    "a pickle": (lambda at: change(at, pkl=b"cos\nsystem\n."), "a.pkl", "is a pickle"),
    "an array of objects": (
        lambda at: change(at, npz=npz(valid=np.array([{}, None], object))), "a.npz", "cannot be read without pickles",
    ),
    "no JSON": (lambda at: change(at, json=b"{"), "a.json", "is no JSON"),
    "a count that differs": (
        lambda at: change(at, json=b'{"frames": 9}'), f"{SHARD}: a", "json says 9 frames, the mp4 8",
    ),
    "a row too few": (
        lambda at: change(at, npz=npz(valid=np.ones(7, bool))), f"{SHARD}: a", "valid of the npz holds 7 frames, the mp4 8",
    ),
    "sound too short": (
        lambda at: change(at, wav=sample_files(7)["wav"]), "a.wav", r"has 0\.280 s of sound, its frames last 0\.320 s",
    ),
    "no video": (lambda at: change(at, mp4=b"hello" * 99), "a.mp4", "cannot be read as a video"),
}  # fmt: skip


def found(layout: Layout, folder: Path) -> list[tuple[str, str]]:
    return [(one.file, f"{one.what}; {one.mend}") for one in layout.check(folder)]


Faults = dict[str, tuple[Callable[[Path], object], str, str]]
# A layout, what makes a whole folder of it, and what may be wrong there: what spoils it, the file and the finding.
LAYOUTS: list[tuple[Layout, Callable[[Path], Path], Faults]] = [
    (LatentSync(), latentsync, LATENTSYNC),
    (MuseTalk(), musetalk, MUSETALK),
    (StableAvatar(), stableavatar, STABLEAVATAR),
    (GAGAvatar(), gagavatar, GAGAVATAR),
    (Hallo(), hallo, HALLO),
    (Wav2Lip(), wav2lip, WAV2LIP),
    (VideoJson(), video_json, VIDEO_JSON),
    (Parquet(), parquet, PARQUET),
    (OTAvatar(), otavatar, OTAVATAR),
    (PIRender(), pirender, PIRENDER),
    (SadTalker(), sadtalker, SADTALKER),
    (WebDataset(), webdataset, WEBDATASET),
    (AdNerf(), adnerf, ADNERF),
]
CASES = [
    pytest.param(layout, make, *fault, id=f"{layout.name}: {name}")
    for layout, make, faults in LAYOUTS
    for name, fault in faults.items()
]


@pytest.mark.parametrize(("layout", "make"), [(layout, make) for layout, make, _ in LAYOUTS])
def test_a_whole_folder_is_clean(layout: Layout, make: Callable[[Path], Path], tmp_path: Path) -> None:
    assert found(layout, make(tmp_path)) == []


def link_away(path: Path) -> None:
    """Put a folder elsewhere, and a link in its place."""
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere", target_is_directory=True)


def lay_on_its_side(path: Path) -> None:
    """Say of a video that it is to be turned by a quarter, as a phone does: the matrix of its track."""
    content = path.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    track = content.index(b"tkhd")
    at = content.index(upright, track)
    path.write_bytes(content[:at] + turned + content[at + len(turned) :])


# What is as good as what talkmill writes.
GOOD: dict[str, tuple[Layout, Callable[[Path], Path], Callable[[Path], object]]] = {
    "hidden files of a file manager": (
        Wav2Lip(), wav2lip, lambda at: [(at / f"data/ann/a/{name}").write_bytes(b"x") for name in ("._0.jpg", ".DS_Store")],
    ),
    "no list of clips for testing": (LatentSync(), latentsync, lambda at: (at / "fileslist_val.txt").unlink()),
    "no list at all": (
        LatentSync(), latentsync, lambda at: [(at / f"fileslist_{name}.txt").unlink() for name in ("train", "val")],
    ),
    "a list of clips for testing, and a folder for training": (
        LatentSync(), latentsync,
        lambda at: [
            shutil.copytree(at / "train", at / "val"), (at / "val/a.mp4").rename(at / "val/b.mp4"),
            (at / "fileslist_val.txt").write_text(f"{at / 'val/b.mp4'}\n"), (at / "fileslist_train.txt").unlink(),
        ],
    ),
    "no list that nobody reads": (MuseTalk(), musetalk, lambda at: (at / "dataset/HDTF/val.txt").unlink()),
    "a sound that the trainer wrote": (MuseTalk(), musetalk, lambda at: shutil.copy(at / CLIPS / "a.wav", at / CLIPS / "a_16k.wav")),
    "the folder of MuseTalk's code": (MuseTalk(), musetalk, lambda at: amid_code(at)),
    "the folder of Wav2Lip's code": (Wav2Lip(), wav2lip, lambda at: amid_code(at)),
    "the folder of StableAvatar's code": (StableAvatar(), stableavatar, lambda at: amid_code(at)),
    "the folder of Hallo's code": (Hallo(), hallo, lambda at: amid_code(at)),
    "tables behind a link": (Parquet(), parquet, lambda at: link_away(at / "data")),
    "a card of Windows": (
        Parquet(), parquet, lambda at: (at / "README.md").write_bytes(CARD.replace("\n", "\r\n").encode()),
    ),
    "a table that the card does not name": (
        Parquet(), parquet, lambda at: pq.write_table(pa.table({"x": [1.0]}), at / "data/more.parquet"),
    ),
    "videos as datasets writes them": (
        Parquet(), parquet,
        lambda at: [
            pq.write_table(pa.table(ROW | {"video": [{"path": f"video/{one}.mp4", "bytes": None}], "audio": [f"audio/{one}.wav"]}), at / f"data/{split}.parquet")
            for split, one in (("train", "a"), ("test", "b"))
        ],
    ),
    "shards that begin with 1": (
        WebDataset(), webdataset,
        lambda at: [(at / f"train-00000{one}.tar").rename(at / f"train-00000{one + 1}.tar") for one in (1, 0)],
    ),
    "sound of 48 kHz in two channels": (WebDataset(), webdataset, lambda at: change(at, wav=stereo(48_000, 0.32))),
    "a file of an archive that no sample gets": (
        WebDataset(), webdataset, lambda at: write_shard(at / SHARD, [("._a.mp4", b"x"), *members(at)]),
    ),
    "a phone's video": (
        VideoJson(), video_json,
        lambda at: [
            write_movie(at / f"{name}/a.mp4", Fraction(16), [np.zeros((128, 256, 3), np.uint8)] * 32)
            or lay_on_its_side(at / f"{name}/a.mp4")
            for name in ("video", "control")
        ] + [edit_row(at, width=128, height=256)],
    ),
    "a list of Windows": (PIRender(), pirender, lambda at: as_windows(at / "train_list.txt")),
    "lists of absolute paths": (
        Wav2Lip(), wav2lip,
        lambda at: [
            (at / f"filelists/{name}.txt").write_text(f"{at}/data/{person}/a\n")
            for person, name in (("ann", "train"), ("bob", "val"))
        ],
    ),
    "a name with a dot": (
        Hallo(), hallo,
        lambda at: [path.rename(path.with_name(path.name.replace("a", "a.01", 1))) for path in sorted(at.rglob("a*"), reverse=True) if path.stem == "a"]
        + [path.write_text(path.read_text().replace("/a.", "/a.01.").replace("/a\"", "/a.01\"")) for path in (at / "data").iterdir()],
    ),
    "lists of Windows": (
        Wav2Lip(), wav2lip, lambda at: [as_windows(at / f"filelists/{name}.txt") for name in ("train", "val")],
    ),
    "paths of Windows": (LatentSync(), latentsync, lambda at: as_windows(at / "fileslist_train.txt")),
    "a list and a mark of Windows, whose header is thrown away": (
        MuseTalk(), musetalk, lambda at: as_windows(at / "dataset/HDTF/train.txt", "\ufeff"),
    ),
    "a table and a mark of Windows, with lines after it": (
        VideoJson(), video_json, lambda at: as_windows(at / "metadata.csv", "\ufeff", "\n\n"),
    ),
    "action units and a mark of Windows, with lines after them": (
        AdNerf(), adnerf, lambda at: as_windows(at / "ann/au.csv", "\ufeff", "\n\n"),
    ),
    "shards that are packed": (WebDataset(), webdataset, lambda at: pack(at)),
    "a WAV of the longer form": (Wav2Lip(), wav2lip, lambda at: rewrite_wav(at / WAV, form=0xFFFE)),
    "a WAV that came through a pipe": (
        Wav2Lip(), wav2lip, lambda at: rewrite_wav(at / WAV, told=0xFFFFFFFF, whole=0xFFFFFFFF),
    ),
    "a WAV that was not closed": (Wav2Lip(), wav2lip, lambda at: rewrite_wav(at / WAV, told=0, whole=8)),
    "a list of another tool": (Wav2Lip(), wav2lip, lambda at: (at / "data_export.jsonl").write_text("hello\n")),
}  # fmt: skip


WAV = "data/ann/a/audio.wav"
# The sub-format of PCM, and what stands before it in the longer form of a header.
LONGER = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")


def as_windows(path: Path, before: str = "", after: str = "") -> None:
    """End lines as Windows does, and put something before and after them."""
    path.write_bytes((before + path.read_text() + after).replace("\n", "\r\n").encode())


def pack(folder: Path) -> None:
    """Pack each shard."""
    for path in folder.glob("*.tar"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def rewrite_wav(path: Path, form: int = 1, told: int | None = None, whole: int | None = None) -> None:
    """Write the sound of a WAV below another header: its form, what it says of the sound, and of the whole file."""
    with wave.open(str(path)) as file:
        data = file.readframes(file.getnframes())
    head = struct.pack("<HHIIHH", form, 1, 16_000, 32_000, 2, 16) + (LONGER if form == 0xFFFE else b"")
    size = len(data) if told is None else told
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", size) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) if whole is None else whole) + body)


def stereo(rate: int, seconds: float) -> bytes:
    """A WAV of two channels."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(4 * round(rate * seconds)))
    return content.getvalue()


@pytest.mark.parametrize(("layout", "make", "vary"), GOOD.values(), ids=GOOD)
def test_what_is_as_good_is_clean(
    layout: Layout, make: Callable[[Path], Path], vary: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    vary(make(tmp_path / "folder"))
    assert list(check_folder(tmp_path / "folder", layout)) == []


@pytest.mark.parametrize(("layout", "make", "spoil", "file", "what"), CASES)
def test_a_trainer_would_trip_over(
    layout: Layout,
    make: Callable[[Path], Path],
    spoil: Callable[[Path], object],
    file: str,
    what: str,
    tmp_path: Path,
) -> None:
    spoil(make(tmp_path))
    check_named(found(layout, tmp_path), file, what)


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        *((rate, "") for rate in ("16", "25", "50", "60", "25.0001")),
        ("60000/1001", "gives 29.97003 frames a second, and VideoX-Fun counts 29"),
        ("24.9999", "gives 24.9999 frames a second, and VideoX-Fun counts 24"),
    ],
)
def test_rates_that_videox_fun_counts_right(rate: str, told: str, tmp_path: Path) -> None:
    """It leaves every second frame out above 30 a second, and then counts whole frames."""
    folder = video_json(tmp_path)
    (folder / "metadata.csv").unlink()
    write_movie(folder / "video/a.mp4", Fraction(rate), pictures(32), sound(round(800 / Fraction(rate))))
    assert [text.split(":")[0] for _, text in found(VideoJson(), folder)] == [told] * bool(told)


@pytest.mark.parametrize(
    ("layout", "make", "name", "sign"),
    [
        (Wav2Lip(), wav2lip, "talks [2026]", r"\["),
        (Parquet(), parquet, "what?", r"\?"),
        (WebDataset(), webdataset, "{a,b}", r"\{a,b\}"),
    ],
)
def test_a_folder_whose_path_is_a_pattern_to_the_reader(
    layout: Layout, make: Callable[[Path], Path], name: str, sign: str, tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()
    ((file, text),) = found(layout, make(tmp_path / name))
    assert file == "."
    assert re.match(f"has {sign} in its path", text)


@pytest.mark.parametrize(
    ("layout", "make", "file"),
    [
        (PIRender(), pirender, "train_list.txt"),
        (Wav2Lip(), wav2lip, "filelists/train.txt"),
        (LatentSync(), latentsync, "fileslist_train.txt"),
        (StableAvatar(), partial(stableavatar, count=2), "video_square_path.txt"),
        (VideoJson(), video_json, "metadata.json"),
        (AdNerf(), adnerf, "ann/ori_imgs/0.lms"),
        (Parquet(), parquet, "README.md"),
    ],
)
def test_a_byte_order_mark_is_named_and_nothing_else_is_said_of_it(
    layout: Layout, make: Callable[[Path], Path], file: str, tmp_path: Path
) -> None:
    before = found(layout, make(tmp_path))
    (tmp_path / file).write_text("\ufeff" + (tmp_path / file).read_text())
    more = [one for one in found(layout, tmp_path) if one not in before]
    assert [(name, text.split(",")[0]) for name, text in more] == [(file, "begins with a byte order mark")]


def check_named(findings: list[tuple[str, str]], file: str, what: str) -> None:
    assert [text for name, text in findings if name.endswith(file) and re.search(what, text)], findings


# What may lie where a file is read: a reader must neither wait for it nor end at it.
def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_lost_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("gone"))


FORMS: dict[str, Callable[[Path], object]] = {"a pipe": a_pipe, "a folder": a_folder, "a lost link": a_lost_link}
CONTENTS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_bytes(b""),
    "bytes of another tool": lambda path: path.write_bytes(b"\xff\xfe\x00 caf\xe9 [{\n" * 9),
    "JSON that never ends": lambda path: path.write_bytes(b"[" * 200_000),
}
# Nothing here unpickles, and a list of test clips may be empty.
NEVER_OPENED, MAY_BE_EMPTY = (".pt", ".pkl"), ("val.txt", "test_list.txt")
# Some frames do: what their number is tells nothing here.
KINDS = [
    pytest.param(layout, partial(make, count=2) if make is stableavatar else make, id=layout.name)
    for layout, make, _ in LAYOUTS
]


def one_of_each(folder: Path) -> list[str]:
    """Files of a folder: of those that differ in numbers alone, one."""
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return list({re.sub(r"\d+", "0", name): name for name in files if Path(name).name != "lock.mdb"}.values())


@pytest.mark.parametrize(("layout", "make"), KINDS)
def test_whatever_lies_in_the_place_of_a_file_is_a_finding(
    layout: Layout, make: Callable[[Path], Path], tmp_path: Path
) -> None:
    """And it ends no check, nor does a check wait for it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    make(folder)
    before = set(check_folder(folder, layout))
    for name in one_of_each(folder):
        for what, spoil in (FORMS | CONTENTS).items():
            path, kept = folder / name, tmp_path / "kept"
            shutil.copy(path, kept)
            spoil(path)
            findings = set(check_folder(folder, layout)) - before
            # A folder is no shard, whatever it is called.
            nothing_amiss = (*NEVER_OPENED, *MAY_BE_EMPTY) if what in CONTENTS else (".tar",)
            assert findings or name.endswith(nothing_amiss), (name, what)
            assert not [one for one in findings if "nothing after it" in one.what], (name, what, findings)
            if what in FORMS and findings:
                assert [one for one in findings if one.file in name or one.file in (".", "train")], (name, what)
            path.rmdir() if path.is_dir() else path.unlink()
            kept.rename(path)


def test_a_folder_that_cannot_be_listed_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may list all: what `os.scandir` says to others is said here."""
    folder, scandir = wav2lip(tmp_path), os.scandir

    def refuse(path: object) -> object:
        if str(path).endswith("ann/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refuse)
    assert ("data/ann/a", "cannot be listed: Permission denied") in [
        (one.file, one.what) for one in check_folder(folder, Wav2Lip())
    ]


def test_an_export_that_was_killed_is_a_finding(tmp_path: Path) -> None:
    folder = wav2lip(tmp_path)
    part = Part("clip ann", "1", ("filelists/more.txt",))
    target = ExportFolder(folder, "wav2lip")
    assert not list(check_folder(folder, Wav2Lip()))

    def ended() -> str:
        (one,) = check_folder(folder, Wav2Lip())
        assert one.file == "wav2lip_export.jsonl"
        return one.what

    def make(staging: Path) -> None:
        (staging / "filelists/more.txt").write_text("1")

    with pytest.raises(ZeroDivisionError):
        target.write(part, lambda staging: 1 / 0)
    assert ended() == "belongs to an export that has not ended"
    with pytest.raises(ZeroDivisionError), pytest.MonkeyPatch.context() as patch:
        patch.setattr("talkmill.layouts.folder._put", lambda *paths: 1 / 0)
        target.write(part, make)
    assert ended() == "belongs to an export that has not ended: it was writing clip ann"
    target.write(part, make)
    target.keep_only([part])
    assert not list(check_folder(folder, Wav2Lip()))
