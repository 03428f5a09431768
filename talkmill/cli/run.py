"""`talkmill run`: videos into a data set, in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkmill.cli.environment import dataset_errors, read_settings
from talkmill.cli.errors import error_text, option_errors
from talkmill.cli.interruption import cancellation
from talkmill.cli.outcome import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_REJECTED, CommandError
from talkmill.cli.progress import ProgressDisplay
from talkmill.cli.signature import with_options
from talkmill.cli.targets import export_lines, longest_seconds, run_options
from talkmill.cli.terminal import say
from talkmill.layouts.options import Targets
from talkmill.models.catalogue import UnknownModelError
from talkmill.models.choice import ModelChoice
from talkmill.models.repository import ModelError
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.pipeline.run import RunSummary
from talkmill.pipeline.settings import Settings
from talkmill.stages.errors import CancelledError, StageError
from talkmill.telemetry.logs import configure_logs
from talkmill.text import counted


@with_options
def run(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Video files, folders, http(s) addresses.")],
    out: Annotated[Path, typer.Option(help="Folder of the data set; a second run continues it.")],
    targets: Targets,
    options: RunOptions,
    models: ModelChoice,
    known: SourceOptions,
    jobs: Annotated[int, typer.Option(min=1, help="Sources and clips at a time.")] = 1,
    provider: Annotated[
        str | None, typer.Option(help="Execution provider: auto, cpu, openvino, cuda, tensorrt; auto if none.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show debug logs.")] = False,
) -> int:
    """Turn videos into a data set.

    Exit code: 0 all clips are in the set, 2 some were rejected, 1 none is or the run failed, 130 interrupted.
    """
    # torch and the other runtimes take seconds to load.
    from talkmill.pipeline import embedded

    configure_logs("debug" if verbose else "warning")
    console = Console(stderr=True)
    settings = read_settings(Settings)
    with cancellation() as cancelled, ProgressDisplay(console) as display:
        try:
            with option_errors():
                summary = embedded.run(
                    inputs,
                    out,
                    run_options(options, targets),
                    models=models,
                    known=known,
                    jobs=jobs,
                    provider=provider or "",
                    settings=settings,
                    emit=display,
                    announce=lambda line: say(console, f"fetching {line}"),
                    cancelled=cancelled,
                )
        except CancelledError:
            say(console, "Interrupted. Re-run the command to resume.")
            return EXIT_INTERRUPTED
        except StageError as error:
            raise CommandError(error_text(error)) from error
        except (UnknownModelError, ModelError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or out}: {error.strerror or error}") from error
    return _print_summary(console, out, options.size, summary, targets.names)


def _print_summary(console: Console, out: Path, size: int, summary: RunSummary, layouts: Sequence[str]) -> int:
    if summary.packed:
        added = f"{counted(len(summary.packed), 'clip')} of this command in the set; {summary.clip_count} in all"
        say(console, f"{added}: {out / 'lmdb' / str(size)}")
        if summary.previewed:
            say(console, f"look before you train: {out / 'preview'}")
    if summary.removed:
        left = f"{counted(len(summary.removed), 'clip')} of earlier commands left the set"
        say(console, f"{left}: {', '.join(summary.removed)}", style="red")
    say(console, f"{counted(summary.executed, 'new result')}")
    if summary.rejected:
        say(console, f"{len(summary.rejected)} rejected, see {out / 'rejected.jsonl'}", style="red")
    if summary.packed:
        with dataset_errors():
            # Only what a layout takes is compared with it.
            longest = longest_seconds(out / "lmdb" / str(size), summary.packed) if layouts else 0.0
        for line in export_lines(layouts, out, longest):
            say(console, line)
    if summary.rejected:
        return EXIT_SOME_REJECTED if summary.packed else EXIT_FAILED
    return EXIT_OK if summary.packed else EXIT_FAILED
