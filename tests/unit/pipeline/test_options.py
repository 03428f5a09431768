"""Options: one definition for the command line and the Python API, checked where they are made."""

import dataclasses
import pickle
import re
from fractions import Fraction
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import talkmill
from talkmill.cli.errors import HDTF_OPTIONS, flag_of, in_flags, reason_text
from talkmill.cli.signature import with_options
from talkmill.models.choice import ModelChoice
from talkmill.option import OptionError
from talkmill.pipeline.naming import InputError
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.stages.errors import WorkerLostError, error_kinds
from talkmill.stages.split.messages import SplitParameters, TimeRange


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 63}, "size: 63: input should be greater than or equal to 64"),
        ({"size": "big"}, "size: 'big'"),
        ({"matting": "scissors"}, "matting: 'scissors'"),
        ({"min_seconds": float("inf")}, "min_seconds: inf"),
        ({"min_face": 1e12}, "min_face: 1000000000000.0"),
        ({"increase_area": float("nan")}, "increase_area: nan"),
        ({"focal": 200.0}, "focal: 200.0"),
        ({"ranges": "0-1"}, "ranges: '0-1'"),
    ],
)
def test_a_value_out_of_bounds_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(talkmill.OptionError) as caught:
        RunOptions(**values)
    assert str(caught.value).startswith(said)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (again.option, again.why) == (caught.value.option, caught.value.why)


def test_a_rate_may_be_a_number() -> None:
    assert RunOptions(fps=25).parameters().split.fps == "25"  # type: ignore[arg-type]
    assert RunOptions(fps=Fraction(30000, 1001)).parameters().split.fps == "30000/1001"  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["nan-5", "0-nan", "0-inf", "5-", "-3", "1:00-0:30", "0-0", "1_0-2_0", "٠-٥", "a-b"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"^ranges: "):
        RunOptions(ranges=(text,)).parameters()


def test_ranges_are_seconds_or_clock_times() -> None:
    ranges = RunOptions(ranges=("0-1.5", "1:00-1:00:30")).parameters().split.ranges
    assert ranges == (TimeRange(0, 1.5), TimeRange(60, 3630))


def test_one_input_is_one_input(tmp_path: Path) -> None:
    video = tmp_path / "talk.mp4"
    video.write_bytes(b"video")
    for given in (video, str(video), [video], [str(video)]):
        assert [source.name for source in SourceOptions().sources(given).sources] == ["talk"]
    for nothing in ("", [], [""]):
        with pytest.raises(InputError):
            SourceOptions().sources(nothing)


def test_the_folder_of_a_set_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "set/lmdb").mkdir(parents=True)
    (tmp_path / "set/work/crop").mkdir(parents=True)
    (tmp_path / "set/work/crop/crop.mkv").write_bytes(b"video")
    for folder in (tmp_path, tmp_path / "set"):
        with pytest.raises(InputError, match=r"holds no video to run; passed over: 1 data set \(.*/set\)"):
            SourceOptions().sources(folder)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"link_persons": True}, "link_persons: needs"),
        ({"person": " ", "link_persons": True}, "person: is blank"),
        ({"person": "a", "plan": Path("p.csv")}, "plan: and `person` both say"),
        ({"split": "x"}, "split: 'x'"),
    ],
)
def test_options_that_do_not_go_together(values: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        SourceOptions(**values).sources("http://example.org/a.mp4")
    assert str(caught.value).startswith(said)


def test_every_option_is_a_flag_of_run_with_its_default() -> None:
    """What a command gives to its function is what the defaults of the classes are."""
    seen: list[object] = []

    @with_options
    def command(options: RunOptions, models: ModelChoice, known: SourceOptions) -> int:
        seen.extend([options, models, known])
        return 0

    app = typer.Typer()
    app.command()(command)
    assert CliRunner().invoke(app, []).exit_code == 0
    assert seen == [RunOptions(), ModelChoice(), SourceOptions()]
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200, color=False).output
    for kind in (RunOptions, ModelChoice, SourceOptions):
        for field in dataclasses.fields(kind):
            assert flag_of(field.name, kind) in shown
            # On the command line `--for` names layouts in place of kinds of files.
            assert flag_of(field.name, kind) or field.name == "needs"


def test_flags_reach_the_options() -> None:
    seen: list[RunOptions] = []

    @with_options
    def command(options: RunOptions) -> int:
        seen.append(options)
        return 0

    app = typer.Typer()
    app.command()(command)
    words = ["--size", "128", "--range", "0-1", "--range", "2-3", "--no-photometric", "--focal", "1100"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert seen == [RunOptions(size=128, ranges=("0-1", "2-3"), photometric=False, focal=1100.0)]
    assert seen[0].parameters().split.min_seconds == SplitParameters().min_seconds


def test_the_command_line_shows_flags_and_only_those_that_it_has() -> None:
    assert in_flags("lower `min_seconds` or `ranges`, not `cookies`") == "lower --min-seconds or --range, not cookies"
    assert "--cookies-from-browser" in reason_text("SIGN_IN_REQUIRED", "no", HDTF_OPTIONS)
    assert "--cookies" not in reason_text("SIGN_IN_REQUIRED", "no")
    assert "`" not in reason_text("CLIP_TOO_SHORT", "no")


def test_nobody_who_runs_a_command_is_told_of_stages_and_artifacts() -> None:
    # A worker is lost in a cluster alone.
    told = {kind.reason: kind.remedy for kind in error_kinds().values() if kind is not WorkerLostError}
    inner = re.compile(r"\b(stage|artifact|digest|manifest|record)s?\b")
    assert [reason for reason, remedy in told.items() if inner.search(remedy)] == ["STORAGE_FULL"]
    assert "finished stages are kept" in told["STORAGE_FULL"]


def test_type_checkers_and_people_see_the_public_names_alone() -> None:
    assert set(dir(talkmill)) == {*talkmill.__all__, "__version__"}
    assert all(getattr(talkmill, name) is not None for name in talkmill.__all__)
    with pytest.raises(AttributeError, match="Datasett"):
        talkmill.Datasett  # type: ignore[attr-defined]  # noqa: B018
