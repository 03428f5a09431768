"""The sample clip through the default pipeline: what comes out is compared with what is known of it."""

import json
import shutil
import wave
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from talkmill.dataset.reader import Clip, read_clip, verify
from talkmill.geometry.transforms import apply
from talkmill.landmarks.points import INNER, outer_eye_distance
from talkmill.preview.canvas import BLUE, MAGENTA
from talkmill.preview.sheet import GAP, MARGIN, TILE
from talkmill.sample import FACE_CENTRE, FRAME_COUNT, MOUTH_HERTZ, RATE
from talkmill.stages.records import CropGeometry
from tests.fixture_types import Cli, Contents, Sample

CLIP = "sample_000"


@pytest.fixture(scope="module")
def clip(dataset: Path) -> Clip:
    return read_clip(dataset / "lmdb/512", CLIP)


def test_the_folder_holds_what_the_readme_says(dataset: Path) -> None:
    for name in ("lmdb/512/data.mdb", "lmdb/512/lock.mdb", "lmdb/train_list.txt", "lmdb/test_list.txt"):
        assert (dataset / name).is_file()
    for name in (f"audio/{CLIP}.wav", f"preview/{CLIP}.jpg", "rejected.jsonl", "report.json", "work"):
        assert (dataset / name).exists()
    assert (dataset / "lmdb/train_list.txt").read_text() == f"{CLIP}\n"
    assert (dataset / "rejected.jsonl").read_text() == ""
    verify(dataset / "lmdb/512")


def test_frames_sound_and_values_have_one_length(dataset: Path, clip: Clip) -> None:
    assert clip.entry.frame_count == FRAME_COUNT
    assert clip.arrays.valid.all()
    with wave.open(str(dataset / f"audio/{CLIP}.wav")) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (16_000, FRAME_COUNT * 16_000 // RATE)


def test_clicks_stay_in_step(dataset: Path, sample: Sample) -> None:
    with wave.open(str(dataset / f"audio/{CLIP}.wav")) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
    loud = np.flatnonzero(np.abs(samples) > 8000) / 16_000
    onsets = loud[np.concatenate([[True], np.diff(loud) > 0.1])]
    assert np.allclose(onsets, sample[1].click_seconds, atol=0.005)


def image_points(dataset: Path, clip: Clip) -> np.ndarray:
    (geometry,) = (dataset / "work/crop").glob("*/geometry.npz")
    return apply(CropGeometry.load(geometry).image_from_crop, clip.arrays.keypoint)


def test_landmarks_follow_the_known_motion(dataset: Path, clip: Clip, sample: Sample) -> None:
    truth = sample[1]
    nose = slice(27, 36)
    found = image_points(dataset, clip)[:, nose].mean(1)
    # Where the nose lies in the portrait is the mean over frames; what is tested is that it moves as it should.
    portrait = apply(np.linalg.inv(truth.frame_from_portrait), found[:, None])[:, 0].mean(0)
    assert np.abs(portrait - FACE_CENTRE).max() < 25
    expected = apply(truth.frame_from_portrait, np.tile(portrait, (FRAME_COUNT, 1, 1)))[:, 0]
    eyes = outer_eye_distance(image_points(dataset, clip)).mean()
    assert np.linalg.norm(found - expected, axis=1).mean() / eyes < 0.02


def test_the_mouth_opens_in_phase(clip: Clip, sample: Sample) -> None:
    points = clip.arrays.keypoint
    opening = np.linalg.norm(points[:, 62] - points[:, 66], axis=1) / outer_eye_distance(points)
    # 100 frames hold a whole number of periods: the phase at the mouth's frequency is that of one Fourier coefficient.
    wave = np.exp(-2j * np.pi * MOUTH_HERTZ * np.arange(FRAME_COUNT) / RATE)
    found, truth = (wave * opening).sum(), (wave * sample[1].mouth_opening).sum()
    late_seconds = -float(np.angle(found / truth)) / (2 * np.pi * MOUTH_HERTZ)
    assert abs(late_seconds) < 0.5 / RATE
    # The motion at that frequency is most of what the lips do.
    assert 2 * abs(found) ** 2 / FRAME_COUNT > 0.5 * ((opening - opening.mean()) ** 2).sum()


def test_roll_of_the_fit_follows_the_known_motion(clip: Clip, sample: Sample) -> None:
    matrices = sample[1].frame_from_portrait
    turned = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    # The picture turns clockwise where psi rises (docs/images/coordinates.png); condition holds -psi.
    found = np.degrees(clip.arrays.condition[:, 2])
    slope = np.polyfit(turned, found, 1)[0]
    assert slope == pytest.approx(-1, abs=0.15)


def test_the_fit_lies_in_the_range_that_trainers_expect(clip: Clip) -> None:
    condition = clip.arrays.condition
    assert (condition[:, 5] > -11).all() and (condition[:, 5] < -5).all()
    assert 800 < condition[0, 6] < 1800
    assert np.ptp(condition[:, 6]) == 0


def test_the_preview_shows_six_frames_and_the_verdict(dataset: Path) -> None:
    preview = cv2.imread(str(dataset / f"preview/{CLIP}.jpg"))
    assert preview.shape[1] == MARGIN + 6 * (TILE + GAP)
    assert preview[2, 2, ::-1] == pytest.approx(BLUE, abs=4), "the clip is good"
    loud = (np.abs(preview[..., ::-1].astype(int) - MAGENTA).max(-1) < 12).mean()
    assert loud > 0.02, "the edge of the matte lies over magenta"


def test_frames_are_the_person_over_white(dataset: Path) -> None:
    with lmdb.open(str(dataset / "lmdb/512"), readonly=True, lock=False) as env, env.begin() as transaction:
        image = cv2.imdecode(np.frombuffer(transaction.get(f"{CLIP}-0000000".encode()), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (512, 512, 3)
    corners = np.concatenate([image[:40, :40].reshape(-1, 3), image[:40, -40:].reshape(-1, 3)])
    assert (corners > 245).mean() > 0.95
    assert image[200:300, 200:300].mean() < 220


def test_the_report_tells_measures_times_and_models(dataset: Path) -> None:
    report = json.loads((dataset / "report.json").read_text())
    (clip,) = report["clips"]
    assert clip["outcome"] == "packed"
    stages = clip["stages"]
    assert list(stages) == ["download", "split", "matting", "crop", "landmarks", "coarse_fit", "fine_fit"]
    assert stages["matting"]["models"].keys() == {"selfie-256", "u2netp"}
    assert stages["matting"]["execute_seconds"] > 0
    assert stages["fine_fit"]["measurements"]["reprojection_rms_inner_pixels"] < 4
    assert stages["crop"]["measurements"]["sharpness_ratio"] > 0.9


def test_a_page_explains_every_measurement(dataset: Path) -> None:
    (clip,) = json.loads((dataset / "report.json").read_text())["clips"]
    docs = Path(__file__).parents[2] / "docs/stages"
    unexplained = [
        f"{stage}: {name}"
        for stage, told in clip["stages"].items()
        for name in told["measurements"]
        if f"`{name}`" not in (docs / f"{stage}.md").read_text()
    ]
    assert unexplained == []


def test_meta_names_source_person_basis_and_camera(clip: Clip) -> None:
    meta = clip.meta
    assert meta["person"] == "EileenCollins"
    assert meta["source"]["original_name"] == "sample.mp4"
    assert meta["morphable_basis"] == "makehuman-head"
    assert "AD-NeRF" in meta["camera"]
    assert meta["not_estimated"]["coeff_3dmm"]


def test_a_second_run_executes_nothing(talkmill: Cli, dataset: Path, sample: Sample, contents: Contents) -> None:
    before = contents(dataset / "lmdb/512")
    result = talkmill("run", sample[0], "--out", dataset, "--person", "EileenCollins")
    assert result.returncode == 0
    assert "0 new results" in result.stderr
    last = f"write it for a trainer: talkmill export {dataset} --layout NAME --out DIR"
    assert " ".join(result.stderr.split()).endswith(last)
    assert contents(dataset / "lmdb/512") == before


def test_a_lost_data_set_is_packed_again(
    talkmill: Cli,
    dataset: Path,
    sample: Sample,
    contents: Contents,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(dataset, folder)
    shutil.rmtree(folder / "lmdb")
    result = talkmill("run", sample[0], "--out", folder, "--person", "EileenCollins")
    assert "1 new result" in result.stderr
    assert contents(folder / "lmdb/512") == contents(dataset / "lmdb/512")


def test_the_otavatar_layout(talkmill: Cli, dataset: Path, tmp_path: Path) -> None:
    from scipy.io import loadmat

    result = talkmill("dataset", "export", dataset, "--out", tmp_path, "--name", "set")
    assert result.returncode == 0, result.stderr
    for step in ("split", "matting_raw", "matting", "inv_debug"):
        video = cv2.VideoCapture(str(tmp_path / f"set_{step}/train/{CLIP}.mp4"))
        assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == FRAME_COUNT
        assert video.get(cv2.CAP_PROP_FPS) == RATE
        video.release()
    with lmdb.open(str(dataset / "lmdb/512"), readonly=True, lock=False) as env, env.begin() as transaction:
        stored = cv2.imdecode(np.frombuffer(transaction.get(f"{CLIP}-0000000".encode()), np.uint8), cv2.IMREAD_COLOR)
    _, found = cv2.VideoCapture(str(tmp_path / f"set_matting/train/{CLIP}.mp4")).read()
    # Both are read by OpenCV: a wrong matrix makes skin and the blue of the suit 5 to 20 levels different.
    assert np.abs(found.astype(int) - stored).mean((0, 1)).max() < 2
    assert np.loadtxt(tmp_path / f"set_kp/train/{CLIP}.txt").reshape(-1, 68, 2).shape[0] == FRAME_COUNT
    coarse = loadmat(tmp_path / f"set_3dmm/train/{CLIP}.mat")
    assert coarse["coeff"].shape == (FRAME_COUNT, 257)
    assert coarse["transform_params"].shape == (FRAME_COUNT, 5)
    assert coarse["warping_params"].shape == (FRAME_COUNT, 4, 4)
    fine = loadmat(tmp_path / f"set_inv_render/train/{CLIP}.mat")
    shapes = {name: fine[name].shape for name in ("id", "exp", "euler", "trans")}
    assert shapes == {"id": (1, 100), "exp": (100, 79), "euler": (100, 3), "trans": (100, 3)}
    assert (tmp_path / "set_lmdb/512/data.mdb").is_file()


def test_inspect_and_verify(talkmill: Cli, dataset: Path) -> None:
    assert CLIP in talkmill("dataset", "inspect", dataset).stdout
    assert "1 clip, 100 frames: whole" in talkmill("dataset", "verify", dataset).stdout


def test_inner_points_are_inside_the_picture(clip: Clip) -> None:
    inner = clip.arrays.keypoint[:, INNER]
    assert (inner > 0).all() and (inner < 511).all()
