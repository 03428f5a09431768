"""What trainers' readers assert, said again in our own words, of what the sample's set is exported to."""

import csv
import io
import itertools
import json
import re
import tarfile
import wave
from pathlib import Path

import av
import cv2
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from scipy.io import loadmat

from talkmill.dataset import Dataset
from talkmill.sample import FRAME_COUNT, HEIGHT, WIDTH
from tests.fixture_types import Cli

NAME = "sample_000"


def decord_reads(path: Path) -> tuple[int, int, int]:
    """What decord needs of a video, and its frames, width and height."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == stream.guessed_rate == 25
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert packets[0].is_keyframe
    assert len({later.pts - one.pts for one, later in itertools.pairwise(packets)}) == 1
    video, count = cv2.VideoCapture(str(path)), 0
    while video.grab():
        count += 1
    assert count == len(packets) == int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    return count, int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))


def sound_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])


def export(talkmill: Cli, dataset: Path, out: Path, layout: str, *options: str) -> None:
    result = talkmill("export", dataset, "--layout", layout, "--out", out, *options)
    assert result.returncode == 0, result.stderr


def test_latentsync(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """unet_dataset.py, syncnet_dataset.py (a229c39)."""
    export(talkmill, dataset, tmp_path, "latentsync", "--size", "256")
    paths = (tmp_path / "fileslist_train.txt").read_text().splitlines()
    assert paths == [str(tmp_path.resolve() / f"train/{NAME}.mp4")]
    count, width, height = decord_reads(Path(paths[0]))
    assert (width, height) == (256, 256)
    assert count == FRAME_COUNT >= 3 * 16
    # 80 columns of mel a second, hop 200: a window of the last 16 frames ends inside.
    assert len(sound_of(Path(paths[0]))) // 200 >= int(80 * (count - 16) / 25) + 52
    assert talkmill("check", tmp_path, "--layout", "latentsync").returncode == 0


def test_musetalk(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """dataset.py, FaceDataset (0a89dec)."""
    refused = talkmill("export", dataset, "--layout", "musetalk", "--out", tmp_path)
    assert refused.returncode == 1
    assert "4.00 s of it can be used without a break, musetalk takes 6.4 s" in refused.stderr.replace("\n", " ")
    export(talkmill, dataset, tmp_path, "musetalk", "--least-seconds", "3")
    root = tmp_path / "dataset/HDTF"
    header, *lines = (root / "train.txt").read_text().splitlines()
    assert lines == [f"{NAME}.json"] and not (root / "meta" / header).exists()
    meta = json.loads((root / "meta" / lines[0]).read_text())
    count, width, height = decord_reads(tmp_path / meta["mp4_path"])
    assert meta["frames"] == count == len(meta["face_list"]) == FRAME_COUNT
    assert meta["video_size"] == [height, width] == [HEIGHT, WIDTH]
    points, boxes = np.array(meta["landmark_list"]), np.array(meta["face_list"])
    assert points.shape == (count, 68, 2) and points.dtype.kind == boxes.dtype.kind == "i"
    inside = (points[:, 17:] >= boxes[:, None, :2]) & (points[:, 17:] <= boxes[:, None, 2:])
    assert inside.mean() > 0.95
    with wave.open(str(tmp_path / meta["wav_path"])) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        assert sound.getnframes() == count * 640
    findings = json.loads(talkmill("check", tmp_path, "--layout", "musetalk", "--json").stdout)
    assert [one["what"].split("; ")[0] for one in findings] == [
        "has 100 frames",
        f"begins with a face {max(boxes[0, 2], points[0, :, 0].max()) - min(boxes[0, 0], points[0, :, 0].min())} pixels wide",
    ]


def test_wav2lip(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """wav2lip_train.py, hparams.py (5c90fa9)."""
    export(talkmill, dataset, tmp_path, "wav2lip")
    (line,) = (tmp_path / "filelists/train.txt").read_text().splitlines()
    assert " " not in line and line.count("/") == 1
    clip = tmp_path / "data" / line
    faces = {int(path.name.split(".")[0]): cv2.imread(str(path)) for path in clip.glob("*.jpg")}
    assert len(faces) > 3 * 5 and all((clip / f"{number}.jpg").is_file() for number in faces)
    sides = np.array([face.shape[:2] for face in faces.values()])
    # A tight box, higher than it is wide, of about one size; it follows the face of each frame.
    assert (sides[:, 0] > sides[:, 1]).all() and len(np.unique(sides, axis=0)) > 10
    assert np.ptp(sides, axis=0).max() < 0.2 * sides.mean()
    with wave.open(str(clip / "audio.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        columns = 1 + sound.getnframes() // 200
    drawn = [
        first
        for first in faces
        if all(first + further in faces for further in range(5))
        and first - 1 >= 0
        and all(int(80 * (frame - 1) / 25) + 16 <= columns for frame in range(first, first + 5))
    ]
    assert len(drawn) > FRAME_COUNT - 15
    findings = json.loads(talkmill("check", tmp_path, "--layout", "wav2lip", "--json").stdout)
    # The sample is one clip for training.
    assert [(one["file"], one["what"]) for one in findings] == [
        ("filelists/val.txt", "names no clip: the first evaluation never ends")
    ]


def test_video_json(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """dataset_video.py, VideoSpeechControlDataset; bucket_sampler.py (804a425); unified_dataset.py (fed7b18)."""
    export(talkmill, dataset, tmp_path, "video-json")
    (row,) = json.loads((tmp_path / "metadata.json").read_text())
    assert json.loads((tmp_path / "metadata_test.json").read_text()) == []
    assert (row["type"], row["text"]) == ("video", "The upper body of one person.")
    count, width, height = decord_reads(tmp_path / row["file_path"])
    assert (count, width, height) == (FRAME_COUNT, row["width"], row["height"]) == (FRAME_COUNT, WIDTH, HEIGHT)
    # The same frames are read of both videos; -1 everywhere is what the trainer puts in place of a control itself.
    assert decord_reads(tmp_path / row["control_file_path"]) == (count, width, height)
    assert (tmp_path / row["control_file_path"]).stat().st_size < 50_000
    control = cv2.VideoCapture(str(tmp_path / row["control_file_path"]))
    assert all(not control.read()[1].any() for _ in range(count))
    with wave.open(str(tmp_path / row["audio_path"])) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        held = sound.getnframes()
        assert np.abs(np.frombuffer(sound.readframes(held), "<i2")).max() > 1000
    for start, frames in itertools.combinations_with_replacement(range(count), 2):
        begin = round(start / 25 * 16000)
        assert begin + round((frames - start) / 25 * 16000) <= held and begin < held
    # DiffSynth would take 16 frames a second for its sound.
    assert list(csv.DictReader((tmp_path / "metadata.csv").read_text().splitlines())) == [
        {"video": row["file_path"], "prompt": row["text"]}
    ]
    (told,) = map(json.loads, (tmp_path / "metadata.jsonl").read_text().splitlines())
    assert (told["clip"], told["split"], told["seconds"], told["video"]) == (NAME, "train", 4.0, row["file_path"])
    assert told["measurements"]["landmarks"]["valid_fraction"] == 1
    assert talkmill("check", tmp_path, "--layout", "video-json").returncode == 0
    export(talkmill, dataset, tmp_path, "video-json", "--size", "256", "--face-share", "0.5")
    (row,) = json.loads((tmp_path / "metadata.json").read_text())
    assert row["text"] == "The head and shoulders of one person."
    assert decord_reads(tmp_path / row["file_path"]) == decord_reads(tmp_path / row["control_file_path"])
    assert decord_reads(tmp_path / row["file_path"]) == (FRAME_COUNT, row["width"], row["height"])
    assert (row["width"], row["height"]) == (256, 256)
    assert talkmill("check", tmp_path, "--layout", "video-json").returncode == 0
    # What was noted and measured is of the set's frames, at whatever rate they are exported.
    export(talkmill, dataset, tmp_path, "video-json", "--fps", "16")
    (told,) = map(json.loads, (tmp_path / "metadata.jsonl").read_text().splitlines())
    assert (told["frames"], told["rate"], told["seconds"]) == (64, 16, 4.0)
    assert (told["clip_frames"], told["clip_rate"]) == (FRAME_COUNT, 25)


def test_hallo(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """talk_video.py, mask_image.py, extract_meta_info_stage*.py (8fd7c57); data_video.py (hallo3 e342dce)."""
    export(talkmill, dataset, tmp_path, "hallo")
    (row,) = json.loads((tmp_path / "data/talkmill_stage2.json").read_text())
    count, width, height = decord_reads(Path(row["video_path"]))
    assert (width, height) == (512, 512)
    assert count == FRAME_COUNT > 49
    masks = {name: cv2.imread(row[name], cv2.IMREAD_UNCHANGED) for name in row if name.startswith(("mask", "sep"))}
    assert all(mask.ndim == 2 for mask in masks.values())
    # Hallo3 multiplies the mask with a frame.
    assert masks["mask_path"].shape == (height, width)
    assert set(np.unique(masks["mask_path"])) == {0, 255}
    border, face, lips = (masks[name].astype(int) for name in ("sep_mask_border", "sep_mask_face", "sep_mask_lip"))
    assert np.array_equal(face, np.maximum(255 - border - lips, 0))
    assert lips.max() == 255 and border.min() == 0
    # The scripts put other words in place of `videos` and `images`.
    videos = Path(row["video_path"])
    for key, word, ending in (("audio_path", "audios", ".wav"), ("face_emb_path", "face_emb", ".pt")):
        assert row[key] == str(videos).replace("videos", word).replace(".mp4", ending)
    (still,) = json.loads((tmp_path / "data/talkmill_stage1.json").read_text())
    pictures = sorted(Path(still["image_path"]).iterdir())
    assert len(pictures) == count
    movie = cv2.VideoCapture(str(videos))
    for picture in pictures[:3]:
        assert np.abs(cv2.imread(str(picture)).astype(int) - movie.read()[1]).mean() < 4
    (third,) = json.loads((tmp_path / "data/talkmill.json").read_text())
    assert third["caption"] == "The head and shoulders of one person."
    findings = json.loads(talkmill("check", tmp_path, "--layout", "hallo", "--json").stdout)
    assert {one["file"] for one in findings} == {f"{made}/{NAME}.pt" for made in ("face_emb", "audio_emb")}


def test_stableavatar(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """talking_video_dataset_fantasy.py (46c0492)."""
    export(talkmill, dataset, tmp_path, "stableavatar", "--root", "/train")
    (line,) = (tmp_path / "talking_face_data/video_square_path.txt").read_text().splitlines()
    assert line == f"/train/talking_face_data/square/speech/{NAME}"
    assert [word for word in ("singing", "speech", "dancing") if word in line] == ["speech"]
    clip = tmp_path / Path(line).relative_to("/train")
    assert decord_reads(clip / "sub_clip.mp4") == (FRAME_COUNT, 512, 512)
    files = sorted((path.name for path in (clip / "images").iterdir()), key=lambda name: int(name[6:-4]))
    assert files == [f"frame_{number}.png" for number in range(FRAME_COUNT)] and FRAME_COUNT >= 81
    video = cv2.VideoCapture(str(clip / "sub_clip.mp4"))
    for file in files:
        image, face, lips = (
            cv2.imread(str(clip / folder / file), cv2.IMREAD_UNCHANGED)
            for folder in ("images", "face_masks", "lip_masks")
        )
        # Masks without a third axis become frames x height x width; they are divided by 255.
        assert image.shape == (512, 512, 3) and face.shape == lips.shape == (512, 512)
        assert face.dtype == lips.dtype == np.uint8 and set(np.unique(face)) == set(np.unique(lips)) == {0, 255}
        assert not (lips & ~face).any() and 0.005 < lips.astype(bool).sum() / face.astype(bool).sum() < 0.2
        assert np.abs(video.read()[1].astype(int) - image).mean() < 6
    with wave.open(str(clip / "audio.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        assert sound.getnframes() >= FRAME_COUNT * 640
    assert talkmill("check", tmp_path, "--layout", "stableavatar").returncode == 0


def test_webdataset(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """tariterators.py, autodecode.py (e0953f9)."""
    export(talkmill, dataset, tmp_path, "webdataset")
    (path,) = tmp_path.glob("*.tar")
    assert path.name == "train-000000.tar" and json.loads((tmp_path / "shards.json").read_text()) == {path.name: 1}
    fields: dict[str, bytes] = {}
    with tarfile.open(path, "r|*") as shard:
        for member in shard:
            key, _, field = member.name.partition(".")
            assert member.isreg() and key == NAME and field not in fields
            fields[field] = shard.extractfile(member).read()  # type: ignore[union-attr]
    assert list(fields) == ["mp4", "wav", "json", "npz"]
    (tmp_path / "clip.mp4").write_bytes(fields["mp4"])
    assert decord_reads(tmp_path / "clip.mp4") == (FRAME_COUNT, WIDTH, HEIGHT)
    with wave.open(io.BytesIO(fields["wav"])) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (16000, FRAME_COUNT * 640)
    row = json.loads(fields["json"])
    assert (row["frames"], row["width"], row["height"], row["person"]) == (FRAME_COUNT, WIDTH, HEIGHT, "EileenCollins")
    with np.load(io.BytesIO(fields["npz"]), allow_pickle=False) as arrays:
        values = dict(arrays)
    assert {name: value.shape for name, value in values.items() if name not in ("focal", "id", "video_from_crop")} == {
        "valid": (FRAME_COUNT,),
        "landmarks": (FRAME_COUNT, 68, 2),
        "confidence": (FRAME_COUNT, 68),
        "boxes": (FRAME_COUNT, 4),
        "coeff": (FRAME_COUNT, 257),
        "transform_params": (FRAME_COUNT, 5),
        "euler": (FRAME_COUNT, 3),
        "trans": (FRAME_COUNT, 3),
        "exp": (FRAME_COUNT, 79),
    }
    with Dataset(dataset) as stored:
        keypoint = stored[NAME].arrays.keypoint
    matrix = values["video_from_crop"]
    assert np.abs(keypoint @ matrix[:2, :2].T + matrix[:2, 2] - values["landmarks"]).max() < 1e-3
    inside = (values["landmarks"] >= 0) & (values["landmarks"] < (WIDTH, HEIGHT))
    assert inside.all() and values["valid"].all()
    assert talkmill("check", tmp_path, "--layout", "webdataset").returncode == 0
    first = path.read_bytes()
    export(talkmill, dataset, tmp_path / "again", "webdataset")
    assert (tmp_path / "again" / path.name).read_bytes() == first
    export(talkmill, dataset, tmp_path, "webdataset", "--size", "256")
    with tarfile.open(path) as shard:
        values = dict(np.load(io.BytesIO(shard.extractfile(f"{NAME}.npz").read())))  # type: ignore[union-attr]
    assert (np.ptp(values["landmarks"], axis=1) < 256).all() and values["landmarks"].mean() < 200


def test_parquet(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """load.py, packaged_modules/parquet/parquet.py (datasets 5.2.0): the card names the tables, which are read as one."""
    export(talkmill, dataset, tmp_path, "parquet")
    _, head, card = (tmp_path / "README.md").read_text().split("---\n", 2)
    (config,) = yaml.safe_load(head)["configs"]
    # The sample is one clip for training; a split without rows has no table.
    assert config["data_files"] == [{"split": "train", "path": "data/train.parquet"}]
    table = pq.read_table(tmp_path / "data/train.parquet")
    assert all(not pa.types.is_null(column.type) for column in table.schema)
    (row,) = table.to_pylist()
    assert (row["person"], row["split"], row["text"]) == ("EileenCollins", "train", "The upper body of one person.")
    assert decord_reads(tmp_path / row["video"]) == (row["frames"], row["width"], row["height"])
    assert (row["frames"], row["rate"], row["seconds"]) == (FRAME_COUNT, 25, 4.0)
    assert (row["clip_frames"], row["clip_rate"]) == (FRAME_COUNT, 25)
    with wave.open(str(tmp_path / row["audio"])) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (16000, FRAME_COUNT * 640)
    with Dataset(dataset) as stored:
        meta = stored.meta(NAME)
    for stage, values in meta["measurements"].items():
        assert {name: row[f"{stage}_{name}"] for name in values} == values
    assert json.loads(row["models"]) == meta["models"]
    assert row["source_sha256"] == meta["source"]["sha256"]
    for model, digest in meta["models"].items():
        assert re.search(rf"\| {model} \| [^|]+ \| {digest} \|", card)
    assert "| EileenCollins | 1 | train | 4.0 s |" in card and "| not given | 1 | 1 | 4.0 s |" in card
    assert talkmill("check", tmp_path, "--layout", "parquet").returncode == 0
    export(talkmill, dataset, tmp_path / "again", "parquet")
    for file in ("data/train.parquet", "README.md", row["video"]):
        assert (tmp_path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_pirender(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """vox_dataset.py, vox_video_dataset.py (9e59f19); the set has images of 512 pixels."""
    export(talkmill, dataset, tmp_path, "pirender")
    name = f"EileenCollins#{NAME}"
    assert (tmp_path / "train_list.txt").read_text().split("\n") == [name, ""]
    assert not (tmp_path / "test_list.txt").read_text()
    with (
        lmdb.open(str(tmp_path / "256"), readonly=True, lock=False) as environment,
        environment.begin() as transaction,
        Dataset(dataset) as stored,
    ):
        assert int(transaction.get(f"{name}-length".encode()).decode()) == FRAME_COUNT
        values = np.frombuffer(transaction.get(f"{name}-coeff_3dmm".encode()), np.float32).reshape(FRAME_COUNT, -1)
        source = stored[NAME].arrays.coefficients
        # Expression, angles, translation and three of the crop are what the network takes: 73.
        taken = [values[:, 80:144], values[:, 224:227], values[:, 254:257], values[:, 257:260]]
        assert np.concatenate(taken, 1).shape == (FRAME_COUNT, 73)
        assert np.array_equal(values[:, :257], source[:, :257])
        assert np.allclose(values[:, 257], 2 * source[:, 257])
        assert np.allclose(values[:, 258:], (source[:, 258:] - 0.5) / 2, atol=1e-4)
        for number in range(FRAME_COUNT):
            with Image.open(io.BytesIO(transaction.get(f"{name}-{number:07}".encode()))) as image:
                assert (image.size, image.mode) == ((256, 256), "RGB")
                small = np.asarray(image).astype(int)
            whole = stored.image(NAME, number).reshape(256, 2, 256, 2, 3).mean((1, 3))
            assert np.abs(small - whole).mean() < 2
    assert talkmill("check", tmp_path, "--layout", "pirender").returncode == 0
    # What is written is a set.
    assert talkmill("dataset", "verify", tmp_path).returncode == 0
    export(talkmill, dataset, tmp_path / "again", "pirender")
    assert (tmp_path / "again/256/data.mdb").read_bytes() == (tmp_path / "256/data.mdb").read_bytes()
    refused = talkmill("export", dataset, "--layout", "pirender", "--out", tmp_path, "--size", "1024")
    assert refused.returncode == 1 and "1024 is larger than the images of the set, 512" in refused.stderr


def test_otavatar(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """dataset.py, hdtf_cross_id.py, utils.py (c8c484f), a piece of two seconds at another rate."""
    export(talkmill, dataset, tmp_path, "otavatar", "--most-seconds", "2", "--fps", "25/2")
    names = (tmp_path / "train_list.txt").read_text().splitlines()
    assert len(names) == 2 and {name.split("#")[0] for name in names} == {"EileenCollins"}
    with (
        lmdb.open(str(tmp_path / "512"), readonly=True, lock=False) as environment,
        environment.begin() as transaction,
        Dataset(dataset) as stored,
    ):
        source, shown = stored[NAME].arrays, 0
        assert source.condition is not None and source.coefficients is not None
        for name in names:
            count = int(transaction.get(f"{name}-length".encode()).decode())
            values = {
                field: np.frombuffer(transaction.get(f"{name}-{field}".encode()), np.float32).reshape(count, -1)
                for field in ("coeff_3dmm", "condition", "keypoint")
            }
            chosen = 2 * np.arange(shown, shown + count)
            assert np.allclose(values["condition"], source.condition[chosen])
            assert np.allclose(values["coeff_3dmm"], source.coefficients[chosen])
            assert np.allclose(values["keypoint"].reshape(count, 68, 2), source.keypoint[chosen])
            assert np.frombuffer(transaction.get(f"{name}-id".encode()), np.float32).shape == (100,)
            for number in range(count):
                assert transaction.get(f"{name}-{number:07}".encode()) == stored.frame(NAME, int(chosen[number]))
            meta = json.loads(transaction.get(f"{name}-meta".encode()))
            assert (meta["clip"], meta["rate"], meta["frame_count"]) == (NAME, "25/2", count)
            assert (meta["clip_rate"], meta["clip_frame_count"]) == ("25", FRAME_COUNT)
            assert meta["start_seconds"] == pytest.approx(shown / 12.5)
            shown += count
        assert shown == FRAME_COUNT // 2
    assert talkmill("check", tmp_path, "--layout", "otavatar").returncode == 0
    assert talkmill("dataset", "verify", tmp_path).returncode == 0


def test_sadtalker(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """preprocess.py, generate_batch.py, generate_facerender_batch.py (cd4c046)."""
    export(talkmill, dataset, tmp_path, "sadtalker")
    clip = tmp_path / "train" / NAME
    values = loadmat(clip.with_suffix(".mat"))
    assert values["coeff_3dmm"].shape == (FRAME_COUNT, 73) and values["full_3dmm"].shape == (1, 257)
    with Dataset(dataset) as stored:
        source = stored[NAME].arrays.coefficients
        first = stored.image(NAME, 0).reshape(256, 2, 256, 2, 3).mean((1, 3))
    assert np.array_equal(values["full_3dmm"], source[:1, :257])
    assert np.array_equal(values["coeff_3dmm"][:, :64], source[:, 80:144])
    assert np.array_equal(values["coeff_3dmm"][:, 64:70], source[:, [224, 225, 226, 254, 255, 256]])
    assert np.allclose(values["coeff_3dmm"][:, 70], 2 * source[:, 257])
    with Image.open(clip.with_suffix(".png")) as picture:
        assert picture.size == (256, 256) and np.abs(np.asarray(picture) - first).mean() < 2
    assert decord_reads(clip.with_suffix(".mp4")) == (FRAME_COUNT, 256, 256)
    with wave.open(str(clip.with_suffix(".wav"))) as sound:
        # So many frames are made of a sound.
        assert sound.getframerate() == 16000 and int(sound.getnframes() / (16000 / 25)) == FRAME_COUNT
    assert talkmill("check", tmp_path, "--layout", "sadtalker").returncode == 0
    export(talkmill, dataset, tmp_path / "again", "sadtalker")
    assert (tmp_path / f"again/train/{NAME}.mat").read_bytes() == clip.with_suffix(".mat").read_bytes()


def test_gagavatar(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    """loader_track.py, utils_lmdb.py (beb44a3), all but the fit of FLAME."""
    export(talkmill, dataset, tmp_path, "gagavatar")
    frames = json.loads((tmp_path / "dataset.json").read_text())
    assert len(frames["train"]) == FRAME_COUNT and frames["val"] == frames["test"] == []
    assert {key.split("_")[0] for key in frames["train"]} == {"sample-000"}
    assert sorted(int(key.split("_")[-1]) for key in frames["train"]) == list(range(FRAME_COUNT))
    corners = []
    with (
        lmdb.open(str(tmp_path / "img_lmdb"), readonly=True, lock=False) as environment,
        environment.begin() as reading,
    ):
        assert reading.stat()["entries"] == FRAME_COUNT
        for key in frames["train"]:
            with Image.open(io.BytesIO(reading.get(key.encode()))) as image:
                assert (image.size, image.mode, image.format) == ((512, 512), "RGB", "JPEG")
                picture = np.asarray(image)
            corners.append(picture[:60, [*range(60), *range(-60, 0)]].mean())
            # The face is in the middle, and is seen.
            assert picture[200:330, 200:312].mean() > 60
    # Black beside the hair, within what JPEG does and single frames of the matte.
    assert np.median(corners) < 2
    findings = json.loads(talkmill("check", tmp_path, "--layout", "gagavatar", "--json").stdout)
    assert [one["file"] for one in findings] == ["optim.pkl"]
    export(talkmill, dataset, tmp_path / "again", "gagavatar")
    assert (tmp_path / "again/img_lmdb/data.mdb").read_bytes() == (tmp_path / "img_lmdb/data.mdb").read_bytes()


@pytest.mark.parametrize(
    "layout",
    [
        "adnerf",
        "gagavatar",
        "hallo",
        "latentsync",
        "musetalk",
        "otavatar",
        "parquet",
        "pirender",
        "sadtalker",
        "stableavatar",
        "wav2lip",
        "video-json",
        "webdataset",
    ],
)
def test_an_empty_folder_is_not_clean(talkmill: Cli, tmp_path: Path, layout: str) -> None:
    result = talkmill("check", tmp_path, "--layout", layout)
    assert result.returncode == 1
    assert ("holds no clip" if layout in ("adnerf", "hallo") else "there is no such list") in result.stdout
