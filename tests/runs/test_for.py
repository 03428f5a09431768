"""Runs that are for some layouts: what their set lacks and says, and what a later run finds of an earlier one."""

from pathlib import Path

import lmdb
import pytest

from talkmill.cli.targets import longest_seconds
from talkmill.dataset.environment import DatasetError
from talkmill.dataset.keys import OPTIONAL, key
from talkmill.dataset.reader import Dataset, verify
from talkmill.layouts.export import NothingToExportError, export
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.otavatar_processing import export_processing
from talkmill.layouts.registry import layout_of, needs_of
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.events import RunStarted, StageFinished
from talkmill.pipeline.finished import ClipGoneError
from tests.made_up_stages import SIZE, run_made_up, set_of, write_sources

LATENTSYNC, SADTALKER = needs_of(["latentsync"]), needs_of(["sadtalker"])
EVERYTHING = {"download", "split", "matting", "crop", "landmarks", "coarse_fit", "fine_fit"}


def stages_of(folder: Path, *inputs: Path, kinds: tuple = ()) -> set[str]:
    """Run files, and return the stages that worked and were not found done; pack looks at the set each time."""
    events: list[object] = []
    run_made_up(folder, *inputs, emit=events.append, kinds=kinds)
    return {one.stage for one in events if isinstance(one, StageFinished) and not one.cached} - {"pack"}


def change(folder: Path, item: bytes, value: bytes | None) -> None:
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.delete(item) if value is None else transaction.put(item, value)


def test_a_set_for_one_layout_is_whole_and_says_what_it_lacks(tmp_path: Path) -> None:
    (source,) = write_sources(tmp_path / "in", "a.mp4")
    events: list[object] = []
    summary = run_made_up(tmp_path / "out", source, emit=events.append, kinds=LATENTSYNC)
    assert (summary.packed, summary.previewed) == (("a_000",), ())
    assert [one.stages for one in events if isinstance(one, RunStarted)] == [("crop", "landmarks")]
    verify(tmp_path / "out/lmdb" / str(SIZE))
    with Dataset(tmp_path / "out") as dataset:
        clip = dataset["a_000"]
    arrays, meta = clip.arrays, clip.meta
    assert (arrays.coefficients, arrays.condition, arrays.identity) == (None, None, None)
    assert arrays.keypoint.shape == (3, 68, 2)
    assert arrays.valid.tolist() == [True, False, True]
    assert set(meta["absent"]) == {"alpha", "frames", "coefficients", "fit"} | OPTIONAL
    assert meta["absent"]["alpha"] == "matting was not run: nothing that the run is for needs it"
    assert meta["absent"]["condition"].startswith("fine_fit was not run")
    assert set(meta["stages"]) == set(meta["measurements"]) | {"download"} == EVERYTHING - {
        "matting", "coarse_fit", "fine_fit"
    }  # fmt: skip
    assert (meta["alpha_region"], meta["morphable_basis"]) == (None, None)
    assert not (tmp_path / "out/preview").exists()
    assert (tmp_path / "out/audio/a_000.wav").is_file()


def test_a_full_set_says_of_nothing_that_it_is_absent(tmp_path: Path) -> None:
    run_made_up(tmp_path / "out", *write_sources(tmp_path / "in", "a.mp4"))
    with Dataset(tmp_path / "out") as dataset:
        assert "absent" not in dataset.meta("a_000")


def test_a_later_run_for_more_uses_what_is_there(tmp_path: Path) -> None:
    (source,) = write_sources(tmp_path / "in", "a.mp4")
    out = tmp_path / "out"
    assert stages_of(out, source, kinds=LATENTSYNC) == {"download", "split", "crop", "landmarks"}
    # Other layouts that need no other stage: nothing is to be done.
    before = set_of(out)
    assert stages_of(out, source, kinds=needs_of(["musetalk", "wav2lip", "hallo"])) == set()
    assert set_of(out) == before
    # The crop over a flat background is another one, and so are the landmarks on it.
    assert stages_of(out, source, kinds=SADTALKER) == {"matting", "crop", "landmarks", "coarse_fit"}
    assert stages_of(out, source) == {"fine_fit"}
    run_made_up(tmp_path / "other", source)
    assert set_of(out) == set_of(tmp_path / "other"), "as if it had been run for everything at once"


def test_a_later_run_for_less_takes_nothing_away(tmp_path: Path) -> None:
    first, second = write_sources(tmp_path / "in", "a.mp4", "b.mp4")
    out = tmp_path / "out"
    run_made_up(out, first)
    before = set_of(out)
    assert stages_of(out, first, kinds=LATENTSYNC) == set()
    assert set_of(out) == before
    # A source that the set has not is run for what is asked for alone.
    assert stages_of(out, first, second, kinds=LATENTSYNC) == {"download", "split", "crop", "landmarks"}
    verify(out / "lmdb" / str(SIZE))
    with Dataset(out) as dataset:
        assert [dataset[name].arrays.condition is None for name in dataset] == [False, True]


def test_runs_for_several_layouts_add_up(tmp_path: Path) -> None:
    (source,) = write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "one", source, kinds=SADTALKER)
    run_made_up(tmp_path / "one", source, kinds=needs_of(["gagavatar"]))
    run_made_up(tmp_path / "other", source, kinds=needs_of(["gagavatar", "sadtalker"]))
    assert set_of(tmp_path / "one") == set_of(tmp_path / "other")


def test_an_export_that_needs_more_says_what_and_how_to_have_it(tmp_path: Path) -> None:
    run_made_up(tmp_path / "out", *write_sources(tmp_path / "in", "a.mp4"), kinds=LATENTSYNC)
    models = ModelRepository(tmp_path, "")
    told = r"written\. a_000: it was made without alpha, which the layout gagavatar needs; .* --for gagavatar --out .*/out`"
    with pytest.raises(NothingToExportError, match=told):
        export(tmp_path / "out", tmp_path / "gagavatar", layout_of("gagavatar"), ExportOptions(), models)
    told = "a_000: it was made without coefficients, frames, which the layout sadtalker needs"
    with pytest.raises(NothingToExportError, match=told):
        export(tmp_path / "out", tmp_path / "sadtalker", layout_of("sadtalker"), ExportOptions(), models)
    with pytest.raises(
        ClipGoneError,
        match=r"written\. a_000: it was made without alpha, .*, which the layout of OTAvatar_processing needs; .* run \.\.\. --out ",
    ):
        export_processing(tmp_path / "out", tmp_path / "otavatar", "hdtf", models)


def test_a_field_that_is_lost_is_no_field_that_was_not_made(tmp_path: Path) -> None:
    (source,) = write_sources(tmp_path / "in", "a.mp4")
    for name, kinds in (("full", ()), ("less", LATENTSYNC)):
        run_made_up(tmp_path / name, source, kinds=kinds)
    full, less = (tmp_path / name / "lmdb" / str(SIZE) for name in ("full", "less"))
    change(full, key("a_000", "condition"), None)
    with pytest.raises(DatasetError, match="the set has no key a_000-condition"):
        verify(full)
    change(less, key("a_000", "condition"), b"\0" * 84)
    with pytest.raises(DatasetError, match="a_000-meta says that there is no condition, and there is one"):
        verify(less)
    # The command that made them makes both whole again.
    for name, kinds in (("full", ()), ("less", LATENTSYNC)):
        run_made_up(tmp_path / name, source, kinds=kinds)
        set_of(tmp_path / name)


def test_the_longest_clip_of_a_run_is_found(tmp_path: Path) -> None:
    summary = run_made_up(tmp_path / "out", *write_sources(tmp_path / "in", "a.mp4", "b.mp4"))
    with Dataset(tmp_path / "out") as dataset:
        seconds = {name: dataset.entry(name).frame_count / float(dataset.meta(name)["rate"]) for name in dataset}
    assert len(summary.packed) == 2
    assert longest_seconds(tmp_path / "out", summary.packed) == max(seconds.values()) > 0
