"""What a run leaves in its folder, whatever was run, or damaged, in it before."""

import functools
import http.server
import json
import os
from dataclasses import asdict
from pathlib import Path
from threading import Event

import lmdb
import pytest

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.store import CorruptArtifactError
from talkmill.dataset.lock import FolderBusyError, locked
from talkmill.dataset.reader import Dataset, read_manifest, verify
from talkmill.pipeline.events import FilesPassedOver, Note, Rejected, StageStarted
from talkmill.pipeline.folders import open_store
from talkmill.pipeline.naming import collect_sources
from talkmill.pipeline.run import run_dataset
from talkmill.stages.errors import (
    DownloadFailedError,
    InvalidRequestError,
    NoFaceError,
    NotWritableError,
    OtherSetError,
    StageError,
)
from tests.made_up_stages import FRAMES, PARAMETERS, SIZE, MadeUp, made_up_stages, run_made_up, set_of, write_sources
from tests.sites import serving


def test_the_set_in_the_folder_is_asked_and_no_record_of_it(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    whole = set_of(tmp_path / "out")
    for name in ("data.mdb", "lock.mdb"):
        (tmp_path / "out/lmdb" / str(SIZE) / name).unlink()
    assert run_made_up(tmp_path / "out", a).packed == ("a_000",)
    assert set_of(tmp_path / "out") == whole
    assert not list((tmp_path / "out/work/pack").glob("*/manifest.json"))


def test_whoever_is_told_of_a_run_can_read_its_set(tmp_path: Path) -> None:
    sources = write_sources(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")
    read: list[int] = []

    def emit(_: object) -> None:
        if (tmp_path / "out/lmdb" / str(SIZE) / "data.mdb").is_file():
            with Dataset(tmp_path / "out") as dataset:
                read.append(len([dataset[name] for name in dataset]))

    assert len(run_made_up(tmp_path / "out", sources[0], emit=emit).packed) == 1
    assert run_made_up(tmp_path / "out", *sources, emit=emit).packed == ("a_000", "b_000", "c_000")
    assert read == sorted(read)
    assert read[-1] == 3


def test_a_second_run_of_the_same_does_nothing(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    assert run_made_up(tmp_path / "out", a).executed == len(made_up_stages(tmp_path))
    assert run_made_up(tmp_path / "out", a).executed == 0


def test_a_run_in_a_folder_that_another_works_in_ends_and_harms_nothing(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    with locked(tmp_path / "out", "run"):
        (tmp_path / "out/work/scratch").mkdir(parents=True)
        with pytest.raises(FolderBusyError, match=rf"another run \(pid {os.getpid()} on .* works in .*out; wait"):
            run_made_up(tmp_path / "out", a)
        assert (tmp_path / "out/work/scratch").is_dir()
    assert run_made_up(tmp_path / "out", a).packed == ("a_000",)


def test_a_set_that_is_cut_short_is_told_before_any_work(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    database = tmp_path / "out/lmdb" / str(SIZE) / "data.mdb"
    os.truncate(database, database.stat().st_size // 2)
    events: list[object] = []
    with pytest.raises(NotWritableError, match=r"data\.mdb is cut short"):
        run_made_up(tmp_path / "out", a, emit=events.append)
    assert not events


def test_a_folder_holds_one_set(tmp_path: Path) -> None:
    """The lists beside a set name its clips: two sizes would share them."""
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    (tmp_path / "out/lmdb" / str(SIZE)).rename(tmp_path / "out/lmdb/512")
    with pytest.raises(OtherSetError, match="holds a set of 512 pixels, 64 were asked for"):
        run_made_up(tmp_path / "out", a)


def test_what_people_do_to_sound_and_preview_does_not_reach_the_store(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    shown = [tmp_path / "out/audio/a_000.wav", tmp_path / "out/preview/a_000.jpg"]
    kept = {path: path.read_bytes() for path in (tmp_path / "out/work").rglob("*") if path.is_file()}
    for path in shown:
        with path.open("r+b") as file:
            file.write(b"scribble")
    assert {path: path.read_bytes() for path in kept} == kept
    whole = [path.read_bytes() for path in shown]
    run_made_up(tmp_path / "out", a)
    assert [path.read_bytes() for path in shown] != whole


def test_pack_refuses_two_clips_of_one_name(tmp_path: Path) -> None:
    from talkmill.artifacts.artifact import Artifact, sha256_of
    from talkmill.pipeline.folders import WORK_BUCKET, open_store
    from talkmill.stages.execution import execute
    from talkmill.stages.pack.messages import PackedClip, PackInputs, PackParameters, encode_clips

    nothing = Artifact(WORK_BUCKET, "x", "0" * 64, 1, "t")
    clip = PackedClip("a_000", "train", nothing, nothing, nothing, nothing)
    listed = tmp_path / "clips.jsonl"
    listed.write_bytes(encode_clips([clip, clip]))
    assert sha256_of(listed)
    store = open_store(tmp_path)
    inputs = PackInputs(store.put(listed, WORK_BUCKET, "clips.jsonl", "application/jsonl"), (), PackParameters(SIZE))
    with pytest.raises(InvalidRequestError, match="1 names stand for two clips each, such as a_000"):
        execute(made_up_stages(tmp_path)["pack"], inputs, store, WORK_BUCKET, tmp_path / "scratch")


def test_two_runs_with_the_same_names_keep_both(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    other = tmp_path / "other/a.mp4"
    other.parent.mkdir()
    other.write_bytes(b"another video" * 100)
    run_made_up(tmp_path / "out", other)
    run_made_up(tmp_path / "out", a, other)
    names = list(read_manifest(tmp_path / "out/lmdb" / str(SIZE)).clips)
    assert len(names) == 2 and "a_000" in names


STORED = ["source.mp4", "video.mp4", "table.npz", "audio.wav", "track.npz", "alpha.mkv", "crop.zip", "geometry.npz",
          "landmarks.npz", "coefficients.npz", "fit.npz", "preview.jpg"]  # fmt: skip


def stored(folder: Path, name: str) -> Path:
    (path,) = (folder / "work").rglob(name)
    return path


def damage(path: Path, way: str) -> None:
    if way == "gone":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    # A new file, as a disk gives it: what is linked elsewhere stays.
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("way", ["one bit", "gone"])
@pytest.mark.parametrize("name", STORED)
def test_a_damaged_artifact_is_made_again(tmp_path: Path, name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Large objects are not compared when a result is looked up: what reads them meets the damage.
    monkeypatch.setattr("talkmill.artifacts.local.COMPARED_BYTES", 0)
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "calm", a)
    run_made_up(tmp_path / "out", a)
    damage(stored(tmp_path / "out", name), way)
    # The set and what is shown are to be made anew, so that everything is read.
    for path in [*(tmp_path / "out/lmdb").rglob("*"), *(tmp_path / "out/preview").iterdir()]:
        if path.is_file():
            path.unlink()
    summary = run_made_up(tmp_path / "out", a)
    assert summary.packed == ("a_000",)
    assert not summary.rejected
    assert set_of(tmp_path / "out") == set_of(tmp_path / "calm")
    for shown in ("audio/a_000.wav", "preview/a_000.jpg"):
        assert (tmp_path / "out" / shown).read_bytes() == (tmp_path / "calm" / shown).read_bytes()


def test_damage_is_told_and_other_clips_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talkmill.artifacts.local.COMPARED_BYTES", 0)
    a, b = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    run_made_up(tmp_path / "out", a)
    damage(stored(tmp_path / "out", "crop.zip"), "one bit")
    (tmp_path / "out/lmdb" / str(SIZE) / "data.mdb").unlink()
    events: list[object] = []
    assert run_made_up(tmp_path / "out", a, b, emit=events.append).packed == ("a_000", "b_000")
    notes = [event.text for event in events if isinstance(event, Note)]
    assert len(notes) == 1 and "a result of crop was lost or damaged and is made again" in notes[0]


def test_an_artifact_that_is_lost_again_ends_its_clip_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    run_made_up(tmp_path / "out", a)
    sick = stored(tmp_path / "out", "fit.npz")
    (tmp_path / "out/lmdb" / str(SIZE) / "data.mdb").unlink()
    fetch = LocalStore.fetch

    def fetched(self: LocalStore, artifact: Artifact, folder: Path | None = None) -> Path:
        if sick.match(artifact.key):
            raise CorruptArtifactError("the disk gives other bytes each time", artifact)
        return fetch(self, artifact, folder)

    monkeypatch.setattr(LocalStore, "fetch", fetched)
    summary = run_made_up(tmp_path / "out", a, b)
    assert summary.packed == ("b_000",)
    assert [(row["clip"], row["stage"], row["reason"]) for row in summary.rejected] == [
        ("a_000", "pack", "CORRUPT_INPUT")
    ]
    verify(tmp_path / "out/lmdb" / str(SIZE))


def test_a_source_that_changes_under_a_run_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    sources = collect_sources([str(a), str(b)], None, False, "train")
    a.write_bytes(b"another take")
    store = open_store(tmp_path / "out")
    summary = run_dataset(
        tmp_path / "out", sources, made_up_stages(tmp_path / "out"), store, PARAMETERS, 1, lambda e: None, Event()
    )
    assert summary.packed == ("b_000",)
    assert [row["reason"] for row in summary.rejected] == ["CORRUPT_INPUT"]
    assert "a.mp4 has changed since the run looked at it" in summary.rejected[0]["message"]


def test_a_file_is_called_what_its_user_calls_it(tmp_path: Path) -> None:
    """Beside it stands the name in the set where that does not follow from the file's."""
    files = [tmp_path / "in" / name for name in ("a/Étude – take 2.mp4", "a/nothing.mp4", "b/nothing.mp4")]
    for number, path in enumerate(files):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if number == 1 else b"bytes %d" % number)
    events: list[object] = []
    summary = run_made_up(tmp_path / "out", tmp_path / "in", emit=events.append)
    marks = {row["source"]: row["clip"] for row in summary.rejected}
    assert [event.subject for event in events if isinstance(event, Rejected)] == [
        f"nothing.mp4 ({marks['nothing.mp4']})"
    ]
    assert "Étude – take 2.mp4" in {event.subject for event in events if isinstance(event, StageStarted)}


def test_a_folder_that_holds_its_own_set_is_run_again(tmp_path: Path) -> None:
    """`talkmill run . --out set`, twice, and into the folder itself."""
    write_sources(tmp_path / "talks", "a.mp4", "b.mov")
    for out in (tmp_path / "talks/set", tmp_path / "talks"):
        first = run_made_up(out, tmp_path / "talks")
        events: list[object] = []
        again = run_made_up(out, tmp_path / "talks", emit=events.append)
        assert again.packed == first.packed == ("a_000", "b_000")
        assert again.executed == 0
        (told,) = [event.rows for event in events if isinstance(event, FilesPassedOver)]
        assert ("data set", str(out)) in [(row.kind, row.first) for row in told]
        assert again.passed_over == told
        report = json.loads((out / "report.json").read_text())
        assert report["passed_over"] == [asdict(row) for row in told]


def test_a_run_that_was_killed_leaves_no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos lie in `work` before there is a set."""
    write_sources(tmp_path / "talks", "a.mp4")

    def killed(stage: MadeUp, inputs: object, context: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MadeUp, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            run_made_up(tmp_path / "talks/set", tmp_path / "talks")
    assert list((tmp_path / "talks/set").rglob("*.mp4"))
    assert not (tmp_path / "talks/set/lmdb").exists()
    assert run_made_up(tmp_path / "talks/set", tmp_path / "talks").packed == ("a_000",)


def test_of_copies_the_one_that_the_set_holds_is_run(tmp_path: Path) -> None:
    (b,) = write_sources(tmp_path / "in", "b.mp4")
    run_made_up(tmp_path / "out", tmp_path / "in")
    (tmp_path / "in/a.mp4").write_bytes(b.read_bytes())
    summary = run_made_up(tmp_path / "out", tmp_path / "in")
    assert (summary.packed, summary.executed) == (("b_000",), 0)
    (row,) = summary.passed_over
    assert (row.kind, row.count, row.first, row.same_as) == ("duplicate", 1, str(tmp_path / "in/a.mp4"), str(b))


def test_a_file_that_the_set_holds_under_another_name_is_told(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    events: list[object] = []
    assert run_made_up(tmp_path / "out", a.rename(tmp_path / "in/b.mp4"), emit=events.append).clip_count == 2
    assert [(event.subject, event.text) for event in events if isinstance(event, Note)] == [
        ("b.mp4", "the set holds the same as a already: take those clips out with `talkmill dataset remove`")
    ]


def test_a_file_name_that_is_no_text_is_run_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / os.fsdecode(b"interview \xe9t\xe9.mp4")
    path.write_bytes(b"bytes" * 100)
    (b,) = write_sources(tmp_path / "other", "b.mp4")
    summary = run_made_up(tmp_path / "out", tmp_path / "in", b)
    assert len(summary.packed) == 2
    assert not summary.rejected
    set_of(tmp_path / "out")
    assert "interview \ufffdt\ufffd.mp4" in (tmp_path / "out/report.json").read_text()


def test_bytes_are_on_the_disk_before_the_manifest_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced, by the order of the calls: each file before its new name, each name before the manifest's."""
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    synced: list[str] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    run_made_up(tmp_path / "out", a)
    work = (tmp_path / "out/work").resolve()
    for manifest in work.glob("*/*/manifest.json"):
        folder = str(manifest.parent)
        names = synced.count(folder)
        files = [path for path in manifest.parent.iterdir() if path.name != "manifest.json"]
        # Its folder once for each file and once for the manifest, which is the last.
        assert names == len(files) + 1, folder
        last = len(synced) - 1 - synced[::-1].index(folder)
        written = synced[last - 1]
        assert written.startswith(f"{folder}/.") and written.endswith(".json")


def test_a_failure_of_the_moment_takes_no_clip_out_of_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network, a disk or a defect say nothing of a clip that is there; a verdict does."""
    a, b = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    run_made_up(tmp_path / "out", a, b)
    whole = set_of(tmp_path / "out")
    error: StageError = DownloadFailedError("the network is down")
    run_stage = MadeUp.run

    def fails(self: MadeUp, inputs: object, context: object) -> object:
        if self.name in ("split", "landmarks"):
            raise error
        return run_stage(self, inputs, context)

    monkeypatch.setattr(MadeUp, "run", fails)
    for stage in ("split", "landmarks"):
        for manifest in (tmp_path / "out/work" / stage).glob("*/manifest.json"):
            manifest.unlink()
        summary = run_made_up(tmp_path / "out", a)
        assert [row["reason"] for row in summary.rejected] == ["DOWNLOAD_FAILED"]
        assert set_of(tmp_path / "out") == whole
        assert (tmp_path / "out/preview/a_000.jpg").is_file()
        monkeypatch.setattr(MadeUp, "run", run_stage)
        run_made_up(tmp_path / "out", a)
        monkeypatch.setattr(MadeUp, "run", fails)
    error = NoFaceError("no face")
    for manifest in (tmp_path / "out/work/landmarks").glob("*/manifest.json"):
        manifest.unlink()
    summary = run_made_up(tmp_path / "out", a)
    assert (summary.removed, summary.clip_count) == (("a_000",), 1)
    assert list(read_manifest(tmp_path / "out/lmdb" / str(SIZE)).clips) == ["b_000"]


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.mark.parametrize("attempt", range(5))
def test_twins_that_meet_one_damaged_result_are_both_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    """That two addresses give the same is known when both are there: files are compared before."""
    monkeypatch.setattr("talkmill.artifacts.local.COMPARED_BYTES", 0)
    a, b = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    b.write_bytes(a.read_bytes())
    with serving(functools.partial(Silent, directory=str(tmp_path / "in"))) as site:
        run_made_up(tmp_path / "out", f"{site}/a.mp4", f"{site}/b.mp4")
        damage(stored(tmp_path / "out", "crop.zip"), "one bit")
        for manifest in (tmp_path / "out/work/landmarks").glob("*/manifest.json"):
            manifest.unlink()
        summary = run_made_up(tmp_path / "out", f"{site}/a.mp4", f"{site}/b.mp4", jobs=2)
    assert summary.packed == ("a_000", "b_000"), summary.rejected


def test_a_record_that_names_what_cannot_be_is_made_again(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    whole = set_of(tmp_path / "out")
    for manifest in (tmp_path / "out/work/crop").glob("*/manifest.json"):
        manifest.write_text(manifest.read_text().replace('"bucket": "work"', '"bucket": "elsewhere"'))
    assert run_made_up(tmp_path / "out", a).packed == ("a_000",)
    assert set_of(tmp_path / "out") == whole


@pytest.mark.parametrize(
    ("item", "content"),
    [
        (b"a_000-meta", b"{not json"),
        (b"a_000-meta", b"[]"),
        (b"a_000-meta", b"{}"),
        (b"a_000-keypoint", b"123"),
        (b"a_000-keypoint", b"1234" * 5),
        (b"a_000-condition", b""),
    ],
)
def test_a_damaged_value_of_the_set_ends_no_run(tmp_path: Path, item: bytes, content: bytes) -> None:
    a, b = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    run_made_up(tmp_path / "out", a, b)
    whole = set_of(tmp_path / "out")
    database = tmp_path / "out/lmdb" / str(SIZE)
    with lmdb.open(str(database)) as environment, environment.begin(write=True) as transaction:
        transaction.put(item, content)
    assert run_made_up(tmp_path / "out", a, b).packed == ("a_000", "b_000")
    if not item.endswith(b"meta"):
        assert set_of(tmp_path / "out") == whole


def test_a_set_of_no_bytes_is_told_and_not_begun_anew(tmp_path: Path) -> None:
    (a,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "out", a)
    os.truncate(tmp_path / "out/lmdb" / str(SIZE) / "data.mdb", 0)
    with pytest.raises(NotWritableError, match=r"data\.mdb is empty: its set is lost"):
        run_made_up(tmp_path / "out", a)


def test_a_clip_that_takes_the_place_of_other_frames_says_so(tmp_path: Path) -> None:
    a, b = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    run_made_up(tmp_path / "out", a, b)
    with pytest.MonkeyPatch.context() as patch:
        # As another --range of the same source does.
        patch.setattr("tests.made_up_stages.START_SECONDS", 2.0)
        patch.setattr(MadeUp, "version", "4")
        events: list[object] = []
        run_made_up(tmp_path / "out", a, emit=events.append)
        told = [event for event in events if isinstance(event, Note) and "takes the place of" in event.text]
        assert [event.subject for event in told] == ["a_000"]
        assert f"the {FRAMES} frames from 0.00 s" in told[0].text
        events.clear()
        run_made_up(tmp_path / "out", a, emit=events.append)
    assert not any(isinstance(event, Note) and "takes the place of" in event.text for event in events)
