"""`talkmill hdtf plan | download | status | report`: HDTF, or any list of clips on the web."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from talkmill.cli.environment import open_models, read_settings
from talkmill.cli.errors import HDTF_OPTIONS, error_text, in_flags
from talkmill.cli.interruption import cancellation
from talkmill.cli.outcome import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_REJECTED, CommandError
from talkmill.cli.terminal import say
from talkmill.dataset.lock import FolderBusyError
from talkmill.environment import core_count
from talkmill.hdtf.lists import TEST_LISTS, read_lists, with_test_list
from talkmill.hdtf.people import correct_people
from talkmill.hdtf.state import clip_states
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.models.repository import ModelError
from talkmill.pipeline.plan import ListError, PlannedClip, read_table, write_plan
from talkmill.pipeline.settings import Settings
from talkmill.stages.errors import CancelledError, StageError, error_kinds

if TYPE_CHECKING:
    from talkmill.hdtf.faces import FaceSampler
    from talkmill.hdtf.report import ReportRow

app = typer.Typer(help="HDTF, or any list of clips on the web: plan, download, report.", no_args_is_help=True)

Lists = Annotated[
    Path,
    typer.Option("--lists", metavar="PATH", help="Folder of HDTF's lists, a plan, or a CSV or JSON list of clips."),
]
Folder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the download.")]


@app.command()
def plan(
    lists: Lists,
    out: Annotated[Path, typer.Option(help="The CSV file to write.")],
    test_list: Annotated[str | None, typer.Option(help=f"Split by a published list: {', '.join(TEST_LISTS)}.")] = None,
    without_leaks: Annotated[
        bool, typer.Option("--without-leaks", help="Leave out other clips of people of the test list.")
    ] = False,
    faces: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of a download: confirm or correct people by their faces.")
    ] = None,
    link_persons: Annotated[bool, typer.Option("--link-persons", help="Name clips person#video#start#end.")] = False,
) -> int:
    """Write one row a clip: address, times, person, split, crop, and what is suspicious."""
    console = Console(stderr=True)
    if without_leaks and test_list is None:
        raise CommandError("--without-leaks needs --test-list: people leak between training and a list of tests")
    clips, notes = _read(lists)
    if faces is not None:
        found = clip_states(faces)
        states = {clip.name: found.read(clip.name) for clip in clips}
        clips, changes = correct_people(clips, {name: state.embedding for name, state in states.items() if state})
        notes += changes or ["the faces agree with the names"]
    if test_list is not None:
        if test_list not in TEST_LISTS:
            raise CommandError(f"--test-list {test_list!r} is not known; choose one of {', '.join(TEST_LISTS)}")
        try:
            clips, warnings = with_test_list(clips, test_list, without_leaks)
        except ListError as error:
            raise CommandError(str(error)) from error
        notes += warnings
    if link_persons:
        clips = [replace(clip, name=_linked_name(clip)) for clip in clips]
    try:
        write_plan(out, clips)
    except OSError as error:
        raise CommandError(f"--out {out}: {error.strerror}") from error
    for note in notes:
        say(console, note)
    people = len({clip.person for clip in clips})
    test = sum(clip.split == "test" for clip in clips)
    known = sum((clip.end_seconds or clip.start_seconds) - clip.start_seconds for clip in clips) / 3600
    line = f"{len(clips)} clips, {known:.2f} h, {people} people, {test} clips in test: {out}"
    say(console, line)
    return EXIT_OK


@app.command()
def download(
    lists: Lists,
    out: Folder,
    max_height: Annotated[int, typer.Option(min=144, max=8640, help="The best video up to this height.")] = 1080,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only these clips; repeatable.")] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(metavar="REASON", help="Only videos that failed for this reason; repeatable."),
    ] = None,
    cookies: Annotated[Path | None, typer.Option(metavar="FILE", help="Netscape cookie file of an account.")] = None,
    cookies_from_browser: Annotated[
        str | None, typer.Option(metavar="BROWSER[:PROFILE]", help="Take the cookies of a browser.")
    ] = None,
    proxy: Annotated[str | None, typer.Option(metavar="ADDR", help="Proxy; http, https or socks5.")] = None,
    limit_rate: Annotated[float, typer.Option(min=0, metavar="MB/S", help="Bound on the rate; 0 for none.")] = 0,
    sleep: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Pause between requests and videos.")] = 1,
    retries: Annotated[int, typer.Option(min=0, max=100, help="Further tries after a failure that may pass.")] = 3,
    back_off: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Pause before the first; doubles.")] = 5,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Videos at a time.")] = 1,
    whole_frame: Annotated[bool, typer.Option("--whole-frame", help="Keep the frame instead of the crop.")] = False,
    drop_videos: Annotated[bool, typer.Option("--drop-videos", help="Delete videos whose clips are cut.")] = False,
) -> int:
    """Download the videos of a list and cut their clips; the same command again goes on.

    Exit code: 0 every wanted clip is there, 2 some are missing, 1 it had to stop, 130 interrupted.
    """
    # yt-dlp and the runtimes are slow to load.
    from talkmill.hdtf.download import DownloadSettings, PlanDownloader, summary
    from talkmill.stages.download.page import PageOptions

    console = Console(stderr=True)
    clips, _ = _read(lists)
    clips = _chosen(clips, only or [])
    unknown = sorted(set(retry or []) - set(error_kinds()))
    if unknown:
        raise CommandError(f"--retry {', '.join(unknown)} is no reason; `talkmill hdtf report` shows those that occur")
    if cookies is not None and not cookies.is_file():
        raise CommandError(f"--cookies {cookies} is not a file")
    page = PageOptions(
        max_height, cookies, cookies_from_browser, proxy, round(limit_rate * 1e6), sleep, retries, back_off
    )
    settings = DownloadSettings(page, sleep, jobs, whole_frame, not drop_videos, frozenset(retry or []))
    try:
        with cancellation() as cancelled:
            out.mkdir(parents=True, exist_ok=True)
            downloader = PlanDownloader(
                out,
                settings,
                _sampler(console),
                lambda line: say(console, in_flags(line, HDTF_OPTIONS)),
                cancelled,
            )
            downloader.run(clips)
    except CancelledError:
        say(console, "Interrupted. Re-run the command to resume.")
        return EXIT_INTERRUPTED
    except StageError as error:
        raise CommandError(error_text(error, HDTF_OPTIONS)) from error
    except (ModelError, FolderBusyError, OSError) as error:
        raise CommandError(str(error)) from error
    counts = summary(out, clips)
    line = ", ".join(f"{count} {ended}" for ended, count in counts.most_common())
    say(console, f"{line}; {out / 'clips'}")
    return EXIT_OK if set(counts) == {"ok"} else EXIT_SOME_REJECTED


@app.command()
def status(lists: Lists, out: Folder) -> int:
    """Show how many clips are there, and why others are not."""
    _print_totals(lists, out)
    return EXIT_OK


@app.command()
def report(
    lists: Lists,
    out: Folder,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="A row a clip.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="A page to read.")] = None,
) -> int:
    """Show the table of a download and write it: `report.csv` and `report.html` in its folder unless told."""
    from talkmill.hdtf.report import write_csv, write_html

    rows = _print_totals(lists, out)
    targets = (csv_file or out / "report.csv", html_file or out / "report.html")
    try:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
        write_csv(targets[0], rows)
        write_html(targets[1], rows)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    print(f"{targets[0]}\n{targets[1]}")
    return EXIT_OK


def _read(lists: Path) -> tuple[list[PlannedClip], list[str]]:
    try:
        return read_lists(lists) if lists.is_dir() else (read_table(lists), [])
    except (ListError, OSError) as error:
        raise CommandError(str(error)) from error


def _chosen(clips: list[PlannedClip], names: list[str]) -> list[PlannedClip]:
    missing = set(names) - {clip.name for clip in clips}
    if missing:
        raise CommandError(f"--only {', '.join(sorted(missing))}: the list has no such clip")
    return [clip for clip in clips if not names or clip.name in names]


def _linked_name(clip: PlannedClip) -> str:
    """Return `person#video#start#end`, the name that readers who split at `#` take the person from."""
    end = "end" if clip.end_seconds is None else f"{clip.end_seconds:g}"
    return f"{clip.person}#{clip.name}#{clip.start_seconds:g}#{end}"


def _sampler(console: Console) -> "FaceSampler":
    """Return what looks at faces: the default detector, and recognition."""
    from talkmill.faces.detection import FaceBoxesDetector
    from talkmill.faces.embedding import EMBEDDING_MODEL, FaceEmbedder
    from talkmill.hdtf.faces import FaceSampler
    from talkmill.inference.backend import Network
    from talkmill.inference.runtime import choose_runtime
    from talkmill.landmarks.detection import FaceApiDetector
    from talkmill.models.catalogue import Role

    settings = read_settings(Settings)
    models = open_models(settings, console)
    runtime = choose_runtime(settings.execution_provider, settings.threads or core_count(), settings.gpu)

    def load(model_id: str, role: Role) -> Network:
        return runtime.load(models.ensure(model_id, role).path, model_id)

    detector = FaceBoxesDetector(load(DEFAULT_MODELS.detector, "face_detection"))
    landmarks = FaceApiDetector(load("face-api-68", "landmarks"))
    return FaceSampler(detector, landmarks, FaceEmbedder(load(EMBEDDING_MODEL, "face_embedding")))


def _print_totals(lists: Path, out: Path) -> "list[ReportRow]":
    from talkmill.hdtf.report import report_rows, totals

    rows = report_rows(out, _read(lists)[0])
    table = Table("outcome", "clips", "hours")
    for ended, count, hours in totals(rows):
        table.add_row(ended, str(count), f"{hours:.2f}")
    flagged = sum(bool(row.flags) for row in rows)
    Console().print(table)
    print(f"{flagged} of {len(rows)} clips are suspicious")
    return rows
