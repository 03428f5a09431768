"""The command line: `talkmill run | models | dataset | doctor | bench`, and `orchestrator.commands`. Composes only."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from talkmill.serving.settings import core_count, quiet_libraries

quiet_libraries()

from orchestrator import doctor as doctor_report  # noqa: E402 - native libraries read the environment when loaded
from orchestrator.commands import bench, hdtf, models, runs, serve  # noqa: E402
from orchestrator.commands.environment import dataset_errors, open_models, read_settings  # noqa: E402
from orchestrator.commands.interruption import cancellation  # noqa: E402
from orchestrator.commands.options import RunOptions, Split, sources_of  # noqa: E402
from orchestrator.commands.outcome import (  # noqa: E402
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_SOME_REJECTED,
    CommandError,
)
from orchestrator.export import export_otavatar  # noqa: E402
from orchestrator.folders import open_store  # noqa: E402
from orchestrator.progress import ProgressDisplay  # noqa: E402
from orchestrator.run import RunSummary, run_dataset  # noqa: E402
from services.coarse_fit.messages import CoarseMethod  # noqa: E402
from services.matting.messages import MattingMethod  # noqa: E402
from talkmill.dataset.reader import read_clip, read_manifest, size_folder, verify  # noqa: E402
from talkmill.inference.precision import Precision  # noqa: E402
from talkmill.models.catalogue import UnknownModelError  # noqa: E402
from talkmill.models.repository import ModelError  # noqa: E402
from talkmill.stage.errors import CancelledError, StageError  # noqa: E402
from talkmill.telemetry.logs import configure_logs  # noqa: E402

app = typer.Typer(
    name="talkmill",
    help="Turns talking-head videos into training sets for talking-face avatars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
dataset_app = typer.Typer(help="Data sets: inspect, verify, export.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(models.app, name="models")
app.add_typer(dataset_app, name="dataset")
app.add_typer(hdtf.app, name="hdtf")
app.add_typer(bench.app, name="bench")
for command in (runs.submit, runs.watch, runs.status, runs.cancel, runs.retry, runs.fetch, serve.serve, serve.token):
    app.command()(command)
app.command("list")(runs.list_runs)


class Layout(StrEnum):
    """Folder layouts of the export."""

    OTAVATAR = "otavatar"


# Typer carries a click of its own and shows of it only this class; its root is what every usage error derives from.
_UsageError: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line; the console script."""
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except CommandError as error:
        Console(stderr=True).print(f"Error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        code = EXIT_FAILED
    except _UsageError as error:
        error.show()
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else EXIT_OK)


@app.command()
def run(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Video files, folders, http(s) addresses.")],
    out: Annotated[Path, typer.Option(help="Folder of the data set; a second run continues it.")],
    size: Annotated[int, typer.Option(min=64, max=4096, help="Side of the stored images in pixels.")] = 512,
    fps: Annotated[str, typer.Option(help="Frames a second, or `source` for a constant native rate.")] = "25",
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="START-END", help="Seconds or mm:ss of the source; repeatable."),
    ] = None,
    matting: Annotated[MattingMethod, typer.Option(help="Matting method; `draft` for a quick look.")] = "fusion",
    precision: Annotated[
        Precision, typer.Option(help="Of the matting networks: bf16 with OpenVINO, fp16 with TensorRT.")
    ] = "fp32",
    landmarks: Annotated[str, typer.Option(metavar="ID", help="Landmark model.")] = "face-api-68",
    morphable: Annotated[str, typer.Option(metavar="ID", help="Morphable model.")] = "makehuman-head",
    detector: Annotated[str, typer.Option(metavar="ID", help="Face detector.")] = "faceboxes-v2",
    increase_area: Annotated[float, typer.Option(min=0, max=2, help="Added on each side of the face box.")] = 0.2,
    min_seconds: Annotated[float, typer.Option(min=0, help="Shorter clips are rejected.")] = 1.0,
    min_face: Annotated[float, typer.Option(min=0, help="Clips with smaller faces (pixels) are rejected.")] = 64.0,
    coarse: Annotated[CoarseMethod, typer.Option(help="How coarse coefficients are found.")] = "landmark-fit",
    photometric: Annotated[bool, typer.Option(help="Refine the camera by the colours of the skin.")] = True,
    focal: Annotated[
        float | None,
        typer.Option(
            min=300,
            max=10000,
            metavar="PIXELS",
            help="Hold the focal length, in pixels of a 512 crop; 1100 is AD-NeRF's.",
        ),
    ] = None,
    person: Annotated[str | None, typer.Option(metavar="NAME", help="Who is seen in all inputs.")] = None,
    link_persons: Annotated[bool, typer.Option("--link-persons", help="Name clips person#clip.")] = False,
    split: Annotated[Split, typer.Option(help="Which list the clips go to.")] = Split.TRAIN,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plan of `hdtf plan`: people and splits by file name.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Sources and clips at a time.")] = 1,
    provider: Annotated[
        str | None, typer.Option(help="Execution provider: auto, cpu, openvino, cuda, tensorrt.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show debug logs.")] = False,
) -> int:
    """Turn videos into a data set.

    Exit code: 0 all clips are in the set, 2 some were rejected, 1 none is or the run failed, 130 interrupted.
    """
    # torch and the other runtimes take seconds to load.
    from orchestrator.composition import ModelChoice, build_stages

    configure_logs("debug" if verbose else "warning")
    console = Console(stderr=True)
    settings = read_settings()
    parameters = RunOptions(
        size, fps, ranges or [], matting, increase_area, min_seconds, min_face, photometric, coarse, precision, focal
    ).parameters()
    with cancellation() as cancelled:
        try:
            sources = sources_of(inputs, person, link_persons, split, plan)
            _check_writable(out)
            store = open_store(out)
            threads = settings.threads or max(1, core_count() // jobs)
            stages = build_stages(
                out,
                open_models(settings, console),
                ModelChoice(matting, landmarks, morphable, detector, coarse, precision),
                provider or settings.execution_provider,
                threads,
                settings.gpu,
            )
            with ProgressDisplay(console, len(sources)) as display:
                summary = run_dataset(out, sources, stages, store, parameters, jobs, display, cancelled)
        except CancelledError:
            console.print("interrupted; run the same command again to go on", markup=False)
            return EXIT_INTERRUPTED
        except StageError as error:
            raise CommandError(f"{error.reason}: {error}; {error.remedy}") from error
        except (UnknownModelError, ModelError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or out}: {error.strerror or error}") from error
    return _tell(console, out, size, summary)


@dataset_app.command("inspect")
def inspect_dataset(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")],
    clip: Annotated[str | None, typer.Option(help="Show one clip.")] = None,
) -> int:
    """Show what a data set holds."""
    console = Console()
    with dataset_errors():
        database = size_folder(folder)
        manifest = read_manifest(database)
        if clip is not None:
            console.print_json(data=read_clip(database, clip).meta)
            return EXIT_OK
        table = Table("clip", "split", "frames", "valid", "focal", "trans z", "person")
        for name, entry in manifest.clips.items():
            values = read_clip(database, name)
            condition = values.arrays.condition
            table.add_row(
                name,
                entry.split,
                str(entry.frame_count),
                f"{values.arrays.valid.mean():.1%}",
                f"{condition[0, 6]:.0f}",
                f"{condition[:, 5].mean():.2f}",
                values.meta.get("person") or "",
            )
        console.print(table)
        console.print(f"{len(manifest.clips)} clips of {manifest.size} pixels in {database}", soft_wrap=True)
    return EXIT_OK


@dataset_app.command("verify")
def verify_dataset(folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")]) -> int:
    """Read a whole data set and check it against its manifest."""
    with dataset_errors():
        manifest = verify(size_folder(folder))
    frames = sum(entry.frame_count for entry in manifest.clips.values())
    Console().print(f"{_clips(len(manifest.clips))}, {frames} frames: whole")
    return EXIT_OK


@dataset_app.command("export")
def export_dataset(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    layout: Annotated[Layout, typer.Option(help="Folder layout.")] = Layout.OTAVATAR,
    name: Annotated[str, typer.Option(help="Prefix of the folders.")] = "talkmill",
) -> int:
    """Write every clip of a set in the folder layout of another tool; what is written already stays."""
    writers = {Layout.OTAVATAR: export_otavatar}
    console, errors = Console(), Console(stderr=True)
    with dataset_errors():
        result = writers[layout](folder, out, name, open_models(read_settings(), errors))
    exported = len(result.written) + len(result.kept)
    kept = f", {len(result.kept)} of them written before" if result.kept else ""
    console.print(f"{exported} clip{'s' * (exported != 1)} in {out}{kept}", soft_wrap=True, markup=False)
    for clip, reason in result.failed:
        errors.print(f"{clip} was not exported: {reason}", soft_wrap=True, markup=False, style="red")
    if result.strangers:
        errors.print(
            f"{len(result.strangers)} files in the same folders were not written by this export and stay, such as "
            f"{result.strangers[0]}",
            soft_wrap=True,
            markup=False,
        )
    if result.failed:
        return EXIT_SOME_REJECTED if exported else EXIT_FAILED
    return EXIT_OK


@app.command()
def doctor() -> int:
    """Show what is installed, which providers and models there are, what is missing and the next step."""
    settings = read_settings()
    return doctor_report.print_report(Console(), settings, open_models(settings, Console(stderr=True)))


def _clips(count: int) -> str:
    return f"{count} clip{'s' * (count != 1)}"


def _check_writable(folder: Path) -> None:
    try:
        (folder / "work").mkdir(parents=True, exist_ok=True)
        probe = folder / "work" / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise CommandError(
            f"--out {folder} cannot be written ({error.strerror}); give a folder that you may write to"
        ) from error


def _tell(console: Console, out: Path, size: int, summary: RunSummary) -> int:
    if summary.packed:
        added = f"{_clips(len(summary.packed))} of this command in the set; {summary.clip_count} in all"
        console.print(f"{added}: {out / 'lmdb' / str(size)}", soft_wrap=True, markup=False)
        console.print(f"look before you train: {out / 'preview'}", soft_wrap=True, markup=False)
    if summary.removed:
        console.print(
            f"{_clips(len(summary.removed))} of earlier commands left the set: {', '.join(summary.removed)}",
            soft_wrap=True,
            markup=False,
            style="red",
        )
    console.print(f"{summary.executed} stages executed", markup=False)
    if summary.rejected:
        console.print(
            f"{len(summary.rejected)} rejected, see {out / 'rejected.jsonl'}",
            soft_wrap=True,
            markup=False,
            style="red",
        )
        return EXIT_SOME_REJECTED if summary.packed else EXIT_FAILED
    return EXIT_OK if summary.packed else EXIT_FAILED


if __name__ == "__main__":
    main()
