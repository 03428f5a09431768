"""An export of a set, whatever the layout: what is written, kept, taken away and refused."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from talkmill.dataset.reader import Dataset
from talkmill.layouts.export import ExportResult, NothingToExportError, OutTakenError
from talkmill.layouts.export import export as export_set
from talkmill.layouts.layout import WHOLE_FOLDER, Bundle, Finding, Layout, Lengths, Piece, UnsuitableClipError
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.registry import LAYOUTS, layout_of
from talkmill.models.repository import ModelRepository
from talkmill.option import OptionError
from talkmill.pipeline.finished import ClipGoneError, FinishedClip, NoWorkError, finished_clip
from talkmill.pipeline.removal import remove_clips
from tests.exports import make_set
from tests.made_up_stages import FRAMES, run_made_up, write_sources


class Notes:
    """A layout of the test: a text and a folder a piece."""

    name, version, trainer = "notes", "1", "nobody"
    needs = frozenset({"landmarks", "audio", "video", "frame_table"})
    options = frozenset({"size"})
    lengths = Lengths(0.0)
    whole_runs = False
    rate: Fraction | None = Fraction(25)
    list_files = ("list.txt",)
    reads = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        return f"texts/{piece.name}.txt", f"frames/{piece.name}"

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        text, frames = self.paths(piece, options)
        (folder / text).write_text(f"{piece.clip} {options.size} {self.version}")
        (folder / frames).mkdir()
        for number, frame in enumerate(material.frames(piece.frames)):
            (folder / frames / f"{number}.raw").write_bytes(frame.tobytes())

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        return {"list.txt": "".join(f"{piece.name}\n" for piece in pieces).encode()}

    def check(self, folder: Path) -> Iterator[Finding]:
        return iter(())


class Joined(Notes):
    """A layout of the test whose trainer reads two files: of the clips a and b, and of the others."""

    name = "joined"

    def bundles(self, pieces: Sequence[Piece], options: ExportOptions) -> Sequence[Bundle]:
        first = tuple(piece for piece in pieces if piece.clip[0] in "ab")
        rest = tuple(piece for piece in pieces if piece not in first)
        return [
            Bundle(name, (f"all/{name}.txt",), chosen) for name, chosen in (("ab", first), ("rest", rest)) if chosen
        ]

    def bundle(self, bundle: Bundle, options: ExportOptions, folder: Path, target: Path) -> None:
        texts = [(folder / self.paths(piece, options)[0]).read_text() for piece in bundle.pieces]
        (target / bundle.files[0]).write_text("\n".join(texts))


def export(run: Path, out: Path, layout: Layout, options: ExportOptions, *more: Any, **named: Any) -> ExportResult:
    """Export where no head can be had."""
    return export_set(run, out, layout, options, ModelRepository(out / "no-models", None), *more, **named)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A set of four commands: a, b, c and another b."""
    make_set(tmp_path / "set", tmp_path / "in")
    return tmp_path / "set"


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_clip_is_written_and_every_file_is_told(run: Path, tmp_path: Path, jobs: int) -> None:
    out = tmp_path / "out"
    seen: list[tuple[int, int]] = []
    result = export(run, out, Notes(), ExportOptions(), jobs, lambda *done: seen.append(done))
    names = [piece.name for piece in result.pieces]
    assert len(names) == len(set(names)) == 4
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for name in names)
    assert seen[-1] == (4, 4)
    assert (out / "list.txt").read_text().split() == names
    assert all(len(list((out / "frames" / name).iterdir())) == FRAMES for name in names)
    record = json.loads((out / "export.json").read_text())
    files = {path.relative_to(out).as_posix() for folder in ("texts", "frames") for path in (out / folder).rglob("*.*")}
    assert set(record["files"]) == files | {"list.txt"}
    assert all(hashlib.sha256((out / file).read_bytes()).hexdigest() == one for file, one in record["files"].items())


def test_what_is_there_stays_until_something_changes(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(run, out, Notes(), ExportOptions())
    again = export(run, out, Notes(), ExportOptions())
    assert len(again.kept) == 4 and not again.written
    assert len(export(run, out, Notes(), ExportOptions(size=128)).written) == 4

    class Newer(Notes):
        version = "2"

    assert len(export(run, out, Newer(), ExportOptions(size=128)).written) == 4
    (next((out / "frames").iterdir()) / "0.raw").unlink()
    assert len(export(run, out, Newer(), ExportOptions(size=128)).written) == 1


def test_a_clip_that_left_the_set_goes_away(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(run, out, Notes(), ExportOptions())
    remove_clips(run, ["a_000"])
    result = export(run, out, Notes(), ExportOptions())
    assert "a_000" not in [piece.name for piece in result.pieces]
    assert not (out / "texts/a_000.txt").exists() and not (out / "frames/a_000").exists()
    assert "a_000" not in (out / "list.txt").read_text()


def test_a_file_of_the_users_stays(run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out/frames/a_000/mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = export(run, tmp_path / "out", Notes(), ExportOptions())
    assert [name for name, _ in result.failed] == ["a_000"]
    assert "was not written by this export" in result.failed[0][1]
    assert mine.read_text() == "mine"


def test_an_export_that_was_stopped_goes_on(run: Path, tmp_path: Path) -> None:
    class Stopped(Notes):
        def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
            super().write(piece, material, options, folder)
            if piece.name == "b_000":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(run, tmp_path / "out", Stopped(), ExportOptions())
    assert not (tmp_path / "out/texts/b_000.txt").exists()
    result = export(run, tmp_path / "out", Notes(), ExportOptions())
    assert "a_000" in result.kept and "b_000" in result.written
    assert not list((tmp_path / "out").glob(".notes_export*"))


def test_what_a_trainers_scripts_made_of_another_cut_is_set_aside(run: Path, tmp_path: Path) -> None:
    """It has the name of a piece, and would be read as of it."""

    class GoneOnWith(Notes):
        def preprocessed(self, piece: Piece) -> tuple[str, ...]:
            return (f"embeddings/{piece.name}.pt",)

    out = tmp_path / "out"
    for piece in export(run, out, GoneOnWith(), ExportOptions()).pieces:
        (out / "embeddings").mkdir(exist_ok=True)
        (out / f"embeddings/{piece.name}.pt").write_text(piece.name)
        (out / f"frames/{piece.name}/sound.npy").write_text(piece.name)
    assert export(run, out, GoneOnWith(), ExportOptions()).stale == ()
    remove_clips(run, ["c_000"])
    assert export(run, out, GoneOnWith(), ExportOptions()).stale == (
        "embeddings/c_000.pt.stale", "frames/c_000/sound.npy.stale",
    )  # fmt: skip
    assert (out / "embeddings/a_000.pt").exists()
    again = export(run, out, GoneOnWith(), ExportOptions(size=64))
    names = sorted(piece.name for piece in again.pieces)
    assert again.stale == (
        *(f"embeddings/{name}.pt.stale" for name in names), *(f"frames/{name}/sound.npy.stale" for name in names),
    )  # fmt: skip


def test_a_clip_that_fails_keeps_what_was_written_of_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be well again, and what it was made from may be gone for good."""
    out = tmp_path / "out"
    export(run, out, Notes(), ExportOptions())
    before = (out / "texts/c_000.txt").read_text()

    def gone(dataset: Dataset, name: str) -> FinishedClip:
        if name == "c_000":
            raise ClipGoneError("the disk is away")
        return finished_clip(dataset, name)

    with monkeypatch.context() as patch:
        patch.setattr("talkmill.layouts.export.finished_clip", gone)
        assert export(run, out, Notes(), ExportOptions()).failed == (("c_000", "the disk is away"),)
    assert (out / "texts/c_000.txt").read_text() == before and (out / "frames/c_000/0.raw").exists()
    assert "c_000" not in (out / "list.txt").read_text()
    assert "c_000" in export(run, out, Notes(), ExportOptions()).kept


def test_pieces_go_away_once_the_files_that_they_went_into_are_there(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = export(run, out, Joined(), ExportOptions(), jobs=2)
    assert len(result.written) == 4
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.suffix in (".txt", ".raw")} == {
        "all/ab.txt",
        "all/rest.txt",
        "list.txt",
    }
    assert not (out / "texts").exists()
    assert len((out / "all/ab.txt").read_text().splitlines()) == 3
    assert set(json.loads((out / "export.json").read_text())["files"]) == {"all/ab.txt", "all/rest.txt", "list.txt"}
    again = export(run, out, Joined(), ExportOptions())
    assert len(again.kept) == 4 and not again.written


def test_a_clip_that_left_changes_the_file_that_it_was_in_and_no_other(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(run, out, Joined(), ExportOptions())
    remove_clips(run, ["a_000"])
    result = export(run, out, Joined(), ExportOptions())
    assert result.kept == ("c_000",) and len(result.written) == 2
    assert "a_000" not in (out / "all/ab.txt").read_text()
    remove_clips(run, ["c_000"])
    assert not export(run, out, Joined(), ExportOptions()).written
    assert not (out / "all/rest.txt").exists()


def test_a_file_of_many_pieces_goes_on_where_it_was_stopped(run: Path, tmp_path: Path) -> None:
    class Stopped(Joined):
        def bundle(self, bundle: Bundle, options: ExportOptions, folder: Path, target: Path) -> None:
            if bundle.name == "rest":
                raise KeyboardInterrupt
            super().bundle(bundle, options, folder, target)

    with pytest.raises(KeyboardInterrupt):
        export(run, tmp_path / "out", Stopped(), ExportOptions())
    assert (tmp_path / "out/texts/c_000.txt").exists()
    result = export(run, tmp_path / "out", Joined(), ExportOptions())
    assert len(result.kept) == 4 and not (tmp_path / "out/texts").exists()
    calm = tmp_path / "calm"
    export(run, calm, Joined(), ExportOptions())
    for file in ("all/ab.txt", "all/rest.txt", "list.txt", "export.json"):
        assert (calm / file).read_bytes() == (tmp_path / "out" / file).read_bytes()


def test_an_option_that_means_nothing_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="means nothing to the layout notes, which takes `fps`, `size`"):
        export(run, tmp_path / "out", Notes(), ExportOptions(face_share=0.5))
    with pytest.raises(OptionError, match="size: 255 is odd"):
        export(run, tmp_path / "out", layout_of("video-json"), ExportOptions(size=255, least_seconds=0.0))
    with pytest.raises(OptionError, match="most_seconds: 1 is less than the least, 2"):
        export(run, tmp_path / "out", layout_of("latentsync"), ExportOptions(most_seconds=1.0))


def test_a_clip_that_does_not_suit_a_layout_is_left_out(run: Path, tmp_path: Path) -> None:
    class Choosy(Notes):
        def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
            if piece.name == "a_000":
                raise UnsuitableClipError("its head has no neck")
            super().write(piece, material, options, folder)

    result = export(run, tmp_path / "out", Choosy(), ExportOptions())
    assert result.left_out == (("a_000", "its head has no neck"),)
    assert len(result.written) == 3 and not (tmp_path / "out/frames/a_000").exists()


def test_a_clip_whose_head_cannot_be_had_fails(run: Path, tmp_path: Path) -> None:
    class WithHead(Notes):
        needs = Notes.needs | {"fit"}

        def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
            assert material.head

    with pytest.raises(NothingToExportError, match="a_000: 'made-up' is not a morphable model"):
        export(run, tmp_path / "out", WithHead(), ExportOptions())


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("captions.json", '{"a_000": "A speaker\\n of news.", "b_000_p01": "Somebody nods.", "b_00_p01": "No"}'),
        ("captions.csv", 'name,text\na_000,"A speaker\n of news."\nb_000_p01,Somebody nods.\nb_00_p01,No\n'),
    ],
)
def test_captions_of_a_file_stand_in_the_lists(run: Path, tmp_path: Path, file: str, content: str) -> None:
    layout, out = layout_of("video-json"), tmp_path / "out"
    export(run, out, layout, ExportOptions(least_seconds=0.0))
    before = {row["name"]: row["text"] for row in map(json.loads, (out / "metadata.jsonl").read_text().splitlines())}
    (tmp_path / file).write_text(content)
    again = export(run, out, layout, ExportOptions(least_seconds=0.0, captions=str(tmp_path / file)))
    # A caption is no reason to code videos again.
    assert not again.written
    assert again.uncalled == ("b_00_p01",)
    after = {row["name"]: row["text"] for row in map(json.loads, (out / "metadata.jsonl").read_text().splitlines())}
    assert after["a_000_p00"] == after["a_000_p01"] == "A speaker of news."
    assert after["b_000_p01"] == "Somebody nods." and after["b_000_p00"] == before["b_000_p00"]
    assert {row["text"] for row in json.loads((out / "metadata.json").read_text())} == set(after.values())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "cannot be read"),
        ("a_000,A speaker.\n", "no CSV with the columns name and text"),
        ('{"a_000": " "}', "has ' ' for a_000; a text was expected"),
        ('{"a_000": 3}', "has 3 for a_000; a text was expected"),
        ('{"a_000": "A.", "a_000": "B."}', "has a_000 twice"),
        ("name,text\na_000,A.\na_000,B.\n", "has a_000 twice"),
        ('{"z_000": "Z."}', "names no clip of the set, such as a_000"),
    ],
)
def test_captions_that_cannot_be_read_end_the_export_before_it_writes(
    run: Path, tmp_path: Path, content: str, why: str
) -> None:
    (tmp_path / "captions").write_text(content)
    with pytest.raises(OptionError, match=why):
        export(run, tmp_path / "out", layout_of("video-json"), ExportOptions(captions=str(tmp_path / "captions")))
    assert not (tmp_path / "out").exists()


def test_a_set_of_another_rate_is_told_what_to_run(run: Path, tmp_path: Path) -> None:
    class Slow(Notes):
        rate = Fraction(16)

    with pytest.raises(NothingToExportError, match=r"25 frames a second, notes reads 16; export with `fps` 16, or run"):
        export(run, tmp_path / "out", Slow(), ExportOptions())


@pytest.mark.parametrize("fps", ["16", "25", "50", "30000/1001"])
def test_another_rate_shows_the_nearest_frame_at_each_instant(run: Path, tmp_path: Path, fps: str) -> None:
    rate = Fraction(fps)
    seen: dict[str, tuple[int, list[int]]] = {}

    class Free(Notes):
        rate = None

        def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
            super().write(piece, material, options, folder)
            assert material.landmarks.points.shape[0] == material.frame_count == piece.frame_count
            seen[piece.name] = len(material.sound(piece.frames)), material.table.source_indices.tolist()

    result = export(run, tmp_path / "out", Free(), ExportOptions(fps=fps))
    for piece in result.pieces:
        samples, shown = seen[piece.name]
        assert piece.rate == rate
        assert piece.frame_count == max(1, int(FRAMES * rate / 25)) == len(shown)
        assert samples == round(piece.frame_count / rate * 16000)
        # Frame k of the made-up set stands at k / 25 s.
        assert all(
            abs(Fraction(frame, 25) - number / rate) <= Fraction(1, 50) for number, frame in enumerate(shown[:-1])
        )
        folder = tmp_path / "out/frames" / piece.name
        assert len(list(folder.iterdir())) == piece.frame_count
    plain = export(run, tmp_path / "plain", Free(), ExportOptions())
    if rate == 25:
        assert [piece.frame_count for piece in plain.pieces] == [piece.frame_count for piece in result.pieces]


def test_a_rate_that_the_trainer_does_not_read_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToExportError, match="notes reads 25 frames a second, `fps` 30 was asked for"):
        export(run, tmp_path / "out", Notes(), ExportOptions(fps="30"))


def test_an_export_needs_a_folder_of_its_own(run: Path, tmp_path: Path) -> None:
    for taken in (run, run / "work/x", run / "lmdb/128", run / "audio", run / "preview/x"):
        before = sorted(run.rglob("*"))
        with pytest.raises(OutTakenError, match="is the folder of the data set"):
            export(run, taken, Notes(), ExportOptions())
        assert sorted(run.rglob("*")) == before
    export(run, run / "notes", Notes(), ExportOptions())
    with pytest.raises(OutTakenError, match="holds an export in the layout notes"):
        export(run, run / "notes", Joined(), ExportOptions())
    # Its record comes last: an export that was stopped has none.
    export(run, tmp_path / "out", layout_of("video-json"), ExportOptions(least_seconds=0.0))
    (tmp_path / "out/export.json").unlink()
    with pytest.raises(OutTakenError, match="holds an export in the layout video-json"):
        export(run, tmp_path / "out", Notes(), ExportOptions())


def test_what_is_in_no_piece_is_told(run: Path, tmp_path: Path) -> None:
    class Long(Notes):
        options = frozenset({"least_seconds", "most_seconds"})

    # Of each clip one piece of the greatest length fits.
    most = (FRAMES - 1) / 25
    result = export(run, tmp_path / "out", Long(), ExportOptions(least_seconds=most, most_seconds=most))
    assert len(result.pieces) == len(result.shortened) == 4
    assert result.shortened[0] == (
        result.pieces[0].clip,
        f"0.04 s of {FRAMES / 25:.2f} s are in no piece: too short, or without valid landmarks",
    )
    assert export(run, tmp_path / "whole", Notes(), ExportOptions()).shortened == ()


def test_clips_that_are_too_short_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToExportError, match=r"of 4 clips can be written. a_000: 0.04 s of it can be used"):
        export(run, tmp_path / "out", layout_of("latentsync"), ExportOptions())


def test_a_set_without_its_work_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "work").rename(tmp_path / "work")
    with pytest.raises(NoWorkError):
        export(run, tmp_path / "out", Notes(), ExportOptions())


def test_two_clips_never_share_a_name(tmp_path: Path) -> None:
    sources = write_sources(tmp_path / "in", "a.b.mp4", "a_b.mp4")
    run_made_up(tmp_path / "set", *sources)
    result = export(tmp_path / "set", tmp_path / "out", Notes(), ExportOptions())
    assert len({piece.name for piece in result.pieces}) == 2


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_what_the_protocol_says(name: str) -> None:
    layout = layout_of(name)
    assert layout.name == name
    assert layout.options <= set(ExportOptions.__dataclass_fields__)
    piece = Piece("a_000", "a_000", "train", "a", Fraction(25), 0, 100)
    assert layout.paths(piece, ExportOptions()) and layout.trainer.count("/") == layout.trainer.count(", ") + 1


@pytest.mark.parametrize("name", ["list.txt", "export.json"])
def test_a_list_of_somebody_else_stops_an_export_before_any_work(run: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(OutTakenError, match=rf"{name} .*was not written by"):
        export(run, out, Notes(), ExportOptions())
    assert not (out / "texts").exists()
    assert (out / name).read_text() == "mine"


def test_a_bundle_of_somebody_else_stops_its_clips_before_they_are_written(run: Path, tmp_path: Path) -> None:
    out, written = tmp_path / "out", []
    (out / "all").mkdir(parents=True)
    pieces = export(run, tmp_path / "calm", Joined(), ExportOptions()).pieces
    (bundle, *_) = Joined().bundles(pieces, ExportOptions())
    (out / bundle.files[0]).write_text("mine")

    class Watched(Joined):
        def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
            written.append(piece.clip)
            super().write(piece, material, options, folder)

    result = export(run, out, Watched(), ExportOptions())
    stopped = {piece.clip for piece in bundle.pieces}
    assert {clip for clip, _ in result.failed} == stopped
    assert written
    assert stopped.isdisjoint(written)


def test_a_layout_that_does_not_say_which_lists_it_writes_is_refused(run: Path, tmp_path: Path) -> None:
    class Silent(Notes):
        list_files = ()

    with pytest.raises(ValueError, match=r"the layout notes writes list\.txt, which its list_files does not name"):
        export(run, tmp_path / "out", Silent(), ExportOptions())
