"""Layouts by name."""

import re
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from talkmill.cli.targets import export_lines, run_options
from talkmill.layouts.layout import BundledLayout, Piece, PreprocessedLayout
from talkmill.layouts.options import ExportOptions, Targets
from talkmill.layouts.pieces import PIECES_FROM
from talkmill.layouts.registry import (
    LAYOUTS,
    ExtraMissingError,
    UnknownLayoutError,
    layout_for,
    layout_of,
    needs_of,
)
from talkmill.option import OptionError
from talkmill.pipeline.graph import names_of, stages_for
from talkmill.pipeline.options import RunOptions

PAGES = Path(__file__).parents[3] / "docs/layouts"


def test_a_layout_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "talkmill.layouts.parquet", raising=False)
    with pytest.raises(ExtraMissingError, match=r"parquet needs pyarrow.*pip install --editable '\.\[parquet\]'"):
        layout_of("parquet")


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(UnknownLayoutError, match=r"there is no layout 'lipsync'; there are .*wav2lip"):
        layout_of("lipsync")


@pytest.mark.parametrize(
    ("trainer", "layout"),
    [
        ("er-nerf", "adnerf"),
        ("AD-NeRF", "adnerf"),
        ("synctalk", "adnerf"),
        ("Hallo3", "hallo"),
        ("wan2.2", "video-json"),
        ("diffsynth-studio", "video-json"),
    ],
)
def test_the_name_of_a_trainer_leads_to_its_layout(trainer: str, layout: str) -> None:
    with pytest.raises(UnknownLayoutError, match=f"there is no layout '{trainer}'; the one for {trainer} is {layout}$"):
        layout_of(trainer)


def test_a_trainer_is_found_where_the_package_of_another_layout_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "talkmill.layouts.parquet", raising=False)
    assert (layout_for("wan"), layout_for("datasets"), layout_for("")) == ("video-json", "", "")


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_page_names_the_code_that_was_read(name: str) -> None:
    (row,) = re.findall(rf"^\| \[`{name}`\]\({name}\.md\) \|([^|]*)\|", (PAGES / "README.md").read_text(), re.MULTILINE)
    commits = r"\b(?=[a-f]*\d)[0-9a-f]{7}\b"
    assert sorted(re.findall(commits, row)) == sorted(re.findall(commits, layout_of(name).trainer))
    assert f"\nRead at: {layout_of(name).trainer}. " in (PAGES / f"{name}.md").read_text()


# What no layout needs unless it is named here.
COSTLY = {
    "adnerf": {"alpha", "fit"},
    "gagavatar": {"alpha"},
    "otavatar": {"frames", "coefficients", "fit"},
    "pirender": {"frames", "coefficients", "fit"},
    "sadtalker": {"frames", "coefficients"},
    "webdataset": {"coefficients", "fit"},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_asks_for_what_costs_only_where_it_is_made_of_it(name: str) -> None:
    needs = {*needs_of([name])}
    assert needs & {"alpha", "frames", "coefficients", "fit"} == COSTLY.get(name, set())
    assert needs >= PIECES_FROM


def test_layouts_together_need_what_each_needs() -> None:
    both = needs_of(["latentsync", "gagavatar", "latentsync"])
    assert sorted(both) == sorted({*needs_of(["latentsync"]), *needs_of(["gagavatar"])})
    assert both == needs_of(["gagavatar", "latentsync"]), "the same request, however it is written"


@pytest.mark.parametrize(
    ("names", "told"), [([], "no layout was named"), (["lipsink"], "there is no layout 'lipsink'")]
)
def test_what_is_no_layout_is_told(names: list[str], told: str) -> None:
    with pytest.raises(UnknownLayoutError, match=f"{told}; there are adnerf, .*"):
        needs_of(names)


def test_layouts_may_be_named_in_one_word_or_in_several() -> None:
    assert Targets(("latentsync, musetalk", "wav2lip", "musetalk")).names == ("latentsync", "musetalk", "wav2lip")
    options = run_options(RunOptions(size=128), Targets(("latentsync", "gagavatar")))
    assert options == RunOptions(size=128, needs=needs_of(["latentsync", "gagavatar"]))
    assert options.parameters().kinds == options.needs
    assert run_options(RunOptions(), Targets()) == RunOptions(), "everything"
    for words in (("",), ("latentsync,",), ("nothing",)):
        with pytest.raises(OptionError, match="there is no layout"):
            run_options(RunOptions(), Targets(words))


def test_the_commands_that_export_are_told() -> None:
    assert export_lines(["latentsync", "otavatar"], Path("my set"), 2.0) == [
        "write it for the trainer: talkmill export 'my set' --layout latentsync --out 'my set/layouts/latentsync'",
        "write it for the trainer: talkmill export 'my set' --layout otavatar --out 'my set/layouts/otavatar'",
    ]


def test_a_run_for_everything_says_how_a_set_is_exported() -> None:
    assert export_lines([], Path("my set"), 4.0) == [
        "write it for a trainer: talkmill export 'my set' --layout NAME --out DIR"
    ]


def test_a_layout_that_takes_no_clip_so_short_is_told() -> None:
    command, told = export_lines(["musetalk"], Path("set"), 4.0)
    assert command.endswith("--out set/layouts/musetalk")
    assert told == (
        "musetalk takes 6.4 s at least, and no clip of this command is longer than 4.00 s: add longer ones, or give "
        "the export --least-seconds"
    )
    assert len(export_lines(["musetalk"], Path("set"), 6.4)) == 1


def test_the_page_says_which_stages_a_layout_needs() -> None:
    page = (PAGES / "README.md").read_text()
    begin = page.index("| layouts | stages beside ")
    _, _, *rows = page[begin : page.index("\n\n", begin)].splitlines()
    told = {name: row.split("|")[2].strip() for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row)}
    assert told.keys() == {*LAYOUTS}
    always = stages_for(("landmarks",))
    for name, stages in told.items():
        beside = [stage for stage in names_of(kinds=needs_of([name])) if stage not in always]
        assert stages == (", ".join(beside) or "none"), name


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_a_layout_writes_lies_where_a_check_looks(name: str) -> None:
    layout = layout_of(name)
    piece = Piece("a", "a", "train", "ann", Fraction(25), 0, 200)
    written = [*layout.paths(piece, ExportOptions()), *layout.list_files]
    if isinstance(layout, BundledLayout):
        written = [*layout.list_files, *layout.bundles([piece], ExportOptions())[0].files]
    if isinstance(layout, PreprocessedLayout):
        written += layout.preprocessed(piece)
    assert [path for path in written if not any(Path(path).is_relative_to(place) for place in layout.reads)] == []
