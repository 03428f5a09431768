"""`talkmill dataset inspect | verify | remove | export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from talkmill.address import all_without_secrets
from talkmill.cli.environment import dataset_errors, open_models, read_settings
from talkmill.cli.outcome import EXIT_FAILED, EXIT_OK, EXIT_SOME_REJECTED
from talkmill.cli.terminal import say
from talkmill.dataset.environment import DatasetError
from talkmill.dataset.reader import Dataset
from talkmill.pipeline.removal import remove_clips
from talkmill.pipeline.settings import Settings
from talkmill.text import counted

app = typer.Typer(help="Data sets: inspect, verify, remove clips, export.", no_args_is_help=True)


class Layout(StrEnum):
    """Folder layouts of the export."""

    OTAVATAR = "otavatar"


@app.command("inspect")
def inspect_dataset(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")],
    clip: Annotated[str | None, typer.Option(help="Show one clip.")] = None,
) -> int:
    """Show what a data set holds."""
    console = Console()
    with dataset_errors(), Dataset(folder) as dataset:
        if clip is not None:
            # Sets of before 0.2 hold whole addresses.
            console.print_json(data=all_without_secrets(dataset.meta(clip)))
            return EXIT_OK
        table = Table("clip", "split", "frames", "valid", "focal", "trans z", "person")
        damaged: list[str] = []
        for name in dataset:
            try:
                values = dataset[name]
            except DatasetError as error:
                damaged.append(str(error))
                table.add_row(Text(name), "damaged", *"-----")
                continue
            condition = values.arrays.condition
            valid, focal, depth = "-", "-", "-"
            if values.entry.frame_count:
                valid = f"{values.arrays.valid.mean():.1%}"
            if values.entry.frame_count and condition is not None:
                focal, depth = f"{condition[0, 6]:.0f}", f"{condition[:, 5].mean():.2f}"
            person = str(values.meta.get("person") or "")
            cells = (name, values.entry.split, str(values.entry.frame_count), valid, focal, depth, person)
            # Names are shown as they are, brackets included.
            table.add_row(*map(Text, cells))
        console.print(table)
        line = f"{counted(len(dataset), 'clip')} of {dataset.size} pixels in {dataset.folder}"
        say(console, line)
    for finding in damaged:
        say(Console(stderr=True), finding, style="red")
    return EXIT_FAILED if damaged else EXIT_OK


@app.command("verify")
def verify_dataset(folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")]) -> int:
    """Read a whole data set and check it against its manifest."""
    with dataset_errors(), Dataset(folder) as dataset:
        dataset.verify()
    frames = sum(entry.frame_count for entry in dataset.manifest.clips.values())
    Console().print(f"{counted(len(dataset), 'clip')}, {frames} frames: whole")
    return EXIT_OK


@app.command("remove")
def remove_from_dataset(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")],
    clips: Annotated[list[str], typer.Argument(metavar="CLIP", help="Names of clips, as `inspect` shows them.")],
) -> int:
    """Take clips out of a data set, damaged ones too; the command that made a clip puts it back."""
    with dataset_errors():
        left = remove_clips(folder, clips)
    Console().print(f"{counted(len(set(clips)), 'clip')} removed; {counted(len(left.clips), 'clip')} left")
    return EXIT_OK


@app.command("export")
def export_dataset(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    layout: Annotated[Layout, typer.Option(help="Folder layout.")] = Layout.OTAVATAR,
    name: Annotated[str, typer.Option(help="Prefix of the folders.")] = "talkmill",
) -> int:
    """Write every clip of a set in the folder layout of another tool; what is written already stays."""
    # SciPy takes a while to load.
    from talkmill.layouts.otavatar_processing import export_processing

    writers = {Layout.OTAVATAR: export_processing}
    console, errors = Console(), Console(stderr=True)
    with dataset_errors():
        result = writers[layout](folder, out, name, open_models(read_settings(Settings), errors))
    exported = len(result.written) + len(result.kept)
    kept = f", {len(result.kept)} of them written before" if result.kept else ""
    say(console, f"{counted(exported, 'clip')} in {out}{kept}")
    for clip, reason in result.failed:
        say(errors, f"{clip} was not exported: {reason}", style="red")
    if result.strangers:
        say(
            errors,
            f"{len(result.strangers)} files in the same folders were not written by this export and stay, such as "
            f"{result.strangers[0]}",
        )
    if result.failed:
        return EXIT_SOME_REJECTED if exported else EXIT_FAILED
    return EXIT_OK
