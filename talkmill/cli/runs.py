"""`talkmill submit | watch | status | list | cancel | retry | fetch`: runs on a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.cli.environment import read_settings
from talkmill.cli.errors import in_flags, option_errors, reason_text
from talkmill.cli.outcome import EXIT_FAILED, EXIT_OK, EXIT_SOME_REJECTED, CommandError
from talkmill.cli.signature import with_options
from talkmill.cli.targets import run_options
from talkmill.cli.terminal import say
from talkmill.client.client import WATCH_PATIENCE_SECONDS, Client, ServerError
from talkmill.client.settings import ClientSettings
from talkmill.layouts.options import Targets
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.pipeline.search import PassedOver, told
from talkmill.telemetry import traces
from talkmill.telemetry.logs import configure_logs

RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run, runs/ID.")]
Server = Annotated[
    str | None, typer.Option(metavar="ADDR", help="host:port of the orchestrator; else TALKMILL_SERVER.")
]


Patience = Annotated[
    float,
    typer.Option(min=0, metavar="SECONDS", help="How long the server may be away while the run is watched."),
]


@with_options
def submit(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Video files, folders, http(s) addresses.")],
    targets: Targets,
    options: RunOptions,
    known: SourceOptions,
    server: Server = None,
    watch_run: Annotated[bool, typer.Option("--watch", help="Stay until the run has ended.")] = False,
    patience: Patience = WATCH_PATIENCE_SECONDS,
    priority: Annotated[int, typer.Option(min=0, max=1000, help="Lower runs first; 0 for the default, 100.")] = 0,
) -> int:
    """Upload local files, start a run on the server, and print its name.

    Which landmark, morphable and detector models run there is the server's own setting.
    """
    console = Console(stderr=True)

    def uploaded(name: str) -> None:
        say(console, f"uploaded {name}")

    def passed_over(rows: tuple[PassedOver, ...]) -> None:
        say(console, told(rows), style="yellow")

    with option_errors(), _traced(console), _client(server) as client:
        run = client.submit(inputs, run_options(options, targets), known, priority, uploaded, passed_over)
        print(run.name, flush=True)
        return _watch(client, run.name, console, patience) if watch_run else EXIT_OK


def watch(run: RunName, server: Server = None, patience: Patience = WATCH_PATIENCE_SECONDS) -> int:
    """Show a run's progress until it has ended."""
    with _client(server) as client:
        return _watch(client, run, Console(stderr=True), patience)


def status(
    run: RunName,
    server: Server = None,
    show_clips: Annotated[bool, typer.Option("--clips", help="List every clip.")] = False,
) -> int:
    """Show what a run has come to, and why clips failed."""
    with _client(server) as client:
        found = client.get(run)
        console = Console()
        say(console, _line(found))
        if found.reason:
            say(console, reason_text(found.reason, found.message))
        table = Table("stage", "waiting", "running", "done", "failed")
        for stage in found.stages:
            counts = (stage.pending_count, stage.running_count, stage.succeeded_count, stage.failed_count)
            table.add_row(stage.stage, *map(str, counts))
        if found.stages:
            console.print(table)
        clips = client.clips(run) if show_clips else client.clips(run, pb.STATE_FAILED)
        for clip in clips:
            kind = "source" if clip.is_source else "clip"
            why = f" {reason_text(clip.reason, clip.message)}" if clip.reason else ""
            state = pb.State.Name(clip.state).removeprefix("STATE_").lower()
            say(console, f"{kind} {clip.name} {state} in {clip.stage}{why}")
    return EXIT_OK


def list_runs(
    server: Server = None, count: Annotated[int, typer.Option(min=1, help="How many, the latest first.")] = 20
) -> int:
    """List runs."""
    with _client(server) as client:
        empty = True
        for run in client.runs(count):
            empty = False
            created = run.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
            print(f"{created}Z  {_line(run)}")
        if empty:
            say(Console(stderr=True), "there are no runs that you may see; talkmill submit makes one")
    return EXIT_OK


def cancel(run: RunName, server: Server = None) -> int:
    """Cancel a run; finished stages are kept."""
    with _client(server) as client:
        print(_line(client.cancel(run)))
    return EXIT_OK


def retry(
    run: RunName,
    clips: Annotated[
        list[str] | None, typer.Argument(metavar="CLIP", help="Clips or sources; all that failed if none.")
    ] = None,
    from_stage: Annotated[str, typer.Option(metavar="STAGE", help="Begin here instead of where each ended.")] = "",
    server: Server = None,
) -> int:
    """Run clips of an ended run again."""
    with _client(server) as client:
        answer = client.retry(run, clips or [], from_stage)
        print(f"{answer.retried_count} run again in {answer.run.name}")
    return EXIT_OK


def fetch(
    run: RunName,
    out: Annotated[Path, typer.Option(help="Folder to write the data set into.")],
    server: Server = None,
) -> int:
    """Download the data set, the previews, the sound, the report and the rejects of an ended run."""
    console = Console(stderr=True)
    with _client(server) as client:
        count = client.fetch(run, out, lambda path: say(console, path))
    say(console, f"{count} files in {out}")
    return EXIT_OK


@contextmanager
def _traced(console: Console) -> Iterator[None]:
    """Let the trace of a run begin here, where OpenTelemetry's variables ask for it."""
    configure_logs("warning")
    try:
        traces.start("talkmill-client")
    except traces.TracesError as error:
        # Set for other programs too, perhaps: the run itself is not the worse for it.
        say(console, f"not traced: {error}", style="yellow")
    try:
        yield
    finally:
        traces.stop()


@contextmanager
def _client(server: str | None) -> Iterator[Client]:
    settings = read_settings(ClientSettings)
    if server is not None:
        settings = settings.model_copy(update={"server": server})
    try:
        with Client.of(settings) as client:
            yield client
    except (ServerError, OSError) as error:
        raise CommandError(in_flags(str(error), ("server",))) from error


def _watch(client: Client, name: str, console: Console, patience: float) -> int:
    for run in client.watch(name, patience):
        say(console, _line(run))
    if run.state != pb.STATE_SUCCEEDED:
        return EXIT_FAILED
    return EXIT_SOME_REJECTED if run.failed_clip_count or run.failed_source_count else EXIT_OK


def _line(run: pb.Run) -> str:
    clips = run.pending_clip_count + run.succeeded_clip_count + run.failed_clip_count + run.cancelled_clip_count
    state = pb.State.Name(run.state).removeprefix("STATE_").lower()
    line = f"{run.name} {state}: {run.source_count} sources, {run.succeeded_clip_count} of {clips} clips done"
    failed = run.failed_clip_count + run.failed_source_count
    line += f", {failed} failed" if failed else ""
    if not run.HasField("estimated_time_left"):
        return line
    minutes = -(-run.estimated_time_left.ToSeconds() // 60)
    return (
        f"{line}, about {minutes // 60} h {minutes % 60} min left"
        if minutes >= 60
        else f"{line}, about {minutes} min left"
    )
