"""What bad input gets: a line that says what was found and what to do, the other clips unharmed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.fixture_types import Cli, Sample

OPTIONS = ("--matting", "draft", "--range", "0-1.2", "--size", "128")


def rows(folder: Path) -> dict[str, dict[str, object]]:
    lines = (folder / "rejected.jsonl").read_text().splitlines()
    return {row["source"]: row for row in map(json.loads, lines)}


def test_bad_files_are_rejected_and_good_ones_are_packed(
    talkmill: Cli,
    sample: Sample,
    make_video: Callable[..., Path],
    noise_frames: Callable[..., list[np.ndarray]],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "in puts ü"
    folder.mkdir()
    shutil.copy(sample[0], folder / "good näme with-spaces.mp4")
    (folder / "text.mp4").write_text("just words")
    (folder / "page.mp4").write_text("<!DOCTYPE html><html><body>404</body></html>")
    (folder / "empty.mp4").write_bytes(b"")
    shutil.copy(make_video("noise.mp4", noise_frames(40, 128, 192)), folder / "noise.mp4")
    out = tmp_path / "out"
    result = talkmill("run", folder, "--out", out, *OPTIONS)
    assert result.returncode == 2, result.stderr
    assert (out / "lmdb/train_list.txt").read_text() == "good_name_with_spaces_000\n"
    found = rows(out)
    reasons = {name: row["reason"] for name, row in found.items()}
    assert reasons == {
        "text.mp4": "NOT_A_VIDEO",
        "page.mp4": "NOT_A_VIDEO",
        "empty.mp4": "NOT_A_VIDEO",
        "noise.mp4": "NO_FACE",
    }
    assert "an HTML page" in found["page.mp4"]["message"]
    for row in found.values():
        assert row.keys() == {"clip", "source", "stage", "reason", "message", "measure", "threshold", "remedy"}
        assert "\n" not in row["message"]
    again = talkmill("run", folder, "--out", out, *OPTIONS)
    assert again.returncode == 2
    assert "0 new results" in again.stderr
    assert rows(out) == found


def test_nothing_in_the_set_is_exit_code_one(talkmill: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("words")
    result = talkmill("run", tmp_path / "a.mp4", "--out", tmp_path / "out")
    assert result.returncode == 1
    assert "NOT_A_VIDEO" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "missing.mp4", "--out", "OUT"), "missing.mp4 is neither a file, a folder nor"),
        (("run", "EMPTY", "--out", "OUT"), "holds no video"),
        (("run", "EMPTY"), "Missing option '--out'"),
        (("run", "EMPTY", "--out", "OUT", "--fps", "0"), "neither `source` nor a rate"),
        (("run", "EMPTY", "--out", "OUT", "--range", "5-2"), "ends before it starts"),
        (("run", "EMPTY", "--out", "OUT", "--link-persons"), "needs --person or --plan"),
        (("run", "THIS", "--out", "OUT", "--landmarks", "nothing"), "choose one of face-api-68"),
        (("run", "THIS", "--out", "OUT", "--provider", "tensorrt"), "is not installed, there is"),
        (("run", "THIS", "--out", "FILE/out"), "cannot be written"),
        (("models", "fetch", "nothing"), "choose one of"),
        (("models", "fetch", "rvm-mobilenetv3"), "--accept-licence"),
        (("dataset", "verify", "EMPTY"), "there is no data set in"),
        (("dataset", "export", "EMPTY", "--out", "OUT"), "there is no data set in"),
    ],
)
def test_usage_errors_say_what_to_do(talkmill: Cli, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    places = {"OUT": "out", "EMPTY": "empty", "FILE/out": "file/out", "THIS": "file"}
    given = [str(tmp_path / places[item]) if item in places else item for item in arguments]
    environment = {"TALKMILL_MODELS__DIRECTORY": str(tmp_path / "none")} if "rvm-mobilenetv3" in given else {}
    result = talkmill(*given, **environment)
    assert result.returncode == 1
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_wrong_setting_is_named(talkmill: Cli) -> None:
    result = talkmill("models", "list", TALKMILL_THREADS="many")
    assert result.returncode == 1
    assert "TALKMILL_THREADS" in result.stderr


def test_missing_models_and_no_registry(talkmill: Cli, sample: Sample, tmp_path: Path) -> None:
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_FIND_LINKS": "", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null",
        "TALKMILL_MODELS__DIRECTORY": str(tmp_path / "models"),
    }  # fmt: skip
    result = talkmill("run", sample[0], "--out", tmp_path / "out", **nowhere)
    assert result.returncode == 1
    assert "faceboxesv2-640x640.onnx could not be had" in " ".join(result.stderr.split())
    doctor = talkmill("doctor", **nowhere)
    assert doctor.returncode == 1
    assert "next: talkmill models fetch faceboxes-v2" in doctor.stdout


def test_two_files_of_one_name_are_two_clips(talkmill: Cli, sample: Sample, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        shutil.copy(sample[0], tmp_path / name / "talk.mp4")
    # Another content under the same name: the sample without its sound.
    with av.open(str(sample[0])) as source, av.open(str(tmp_path / "b/talk.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    out = tmp_path / "out"
    result = talkmill("run", tmp_path / "a", tmp_path / "b", tmp_path / "c", "--out", out, "--jobs", 2, *OPTIONS)
    assert result.returncode == 0, result.stderr
    names = (out / "lmdb/train_list.txt").read_text().split()
    assert len(names) == 2
    assert all(name.startswith("talk.") and name.endswith("_000") for name in names)
    assert "the source has no sound" in result.stderr
