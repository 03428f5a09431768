"""`talkmill export` and `talkmill check`: what trainers read."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkmill.cli.environment import dataset_errors, open_models, read_settings
from talkmill.cli.errors import in_flags, option_errors
from talkmill.cli.outcome import EXIT_FAILED, EXIT_OK, EXIT_SOME_REJECTED
from talkmill.cli.signature import with_options
from talkmill.cli.terminal import say
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.registry import LAYOUTS, layout_of
from talkmill.pipeline.settings import Settings
from talkmill.text import counted

# Findings of one kind that are printed in full; of the rest their number is.
MOST_ALIKE = 5
_LAYOUT_HELP = f"What the trainer reads: {', '.join(LAYOUTS)}."


@with_options
def export(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or of data.mdb.")],
    layout: Annotated[str, typer.Option(help=_LAYOUT_HELP, metavar="NAME")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    options: ExportOptions,
    jobs: Annotated[int, typer.Option(min=1, help="Clips that are written at a time.")] = 1,
) -> int:
    """Write a set for a trainer; run it again to resume, or to follow a set that changed."""
    from talkmill.layouts.export import export as write

    console, errors = Console(), Console(stderr=True)
    with option_errors(), dataset_errors(), errors.status("exporting") as status:

        def advance(done: int, total: int) -> None:
            status.update(f"{done} of {counted(total, 'clip')}")

        models = open_models(read_settings(Settings), errors)
        result = write(folder, out, layout_of(layout), options, models, jobs, advance)
    kept = f", {counted(len(result.kept), 'clip')} written before" if result.kept else ""
    seconds = sum(piece.frame_count / piece.rate for piece in result.pieces)
    say(console, f"{counted(len(result.pieces), 'piece')}, {float(seconds):.1f} s, in {out}{kept}")
    for clip, why in result.shortened:
        say(errors, f"{clip}: {why}", style="yellow")
    for clip, why in result.left_out:
        say(errors, f"{clip} was left out: {in_flags(why)}", style="yellow")
    for clip, why in result.failed:
        say(errors, f"{clip} was not exported: {why}", style="red")
    if result.uncalled:
        told = counted(len(result.uncalled), "caption")
        say(errors, f"{told} of names that no clip has, such as {result.uncalled[0]}: not used", style="yellow")
    least = layout_of(layout).lengths.least_seconds
    if options.least_seconds is not None and options.least_seconds < least:
        say(
            errors,
            f"{layout} is made for pieces of {least:g} s and more: the trainer may skip shorter ones",
            style="yellow",
        )
    if result.stale:
        told = counted(len(result.stale), "file")
        say(errors, f"{told} made of what has changed end in .stale now, such as {result.stale[0]}", style="yellow")
    say(console, f"look for what the trainer would trip over: talkmill check {out}")
    return EXIT_SOME_REJECTED if result.failed or result.left_out else EXIT_OK


def check(
    folder: Annotated[Path, typer.Argument(help="Folder as the trainer gets it, by whatever tool it was made.")],
    layout: Annotated[
        str, typer.Option(help=f"{_LAYOUT_HELP} Default: what export.json names.", metavar="NAME", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Say what a trainer would trip over in a folder: file, finding, what to do."""
    from talkmill.layouts.checks.folder import check_folder
    from talkmill.layouts.export import RECORD, recorded_layout

    console, findings = Console(), []
    alike: Counter[tuple[str, str]] = Counter()
    with option_errors(), dataset_errors():
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
        layout = layout or recorded_layout(folder)
        if not layout:
            raise ValueError(f"{folder} has no {RECORD} that names its layout; give --layout")
        for finding in check_folder(folder, layout_of(layout)):
            findings.append(asdict(finding))
            kind = (finding.what, finding.mend)
            alike[kind] += 1
            if not as_json and alike[kind] <= MOST_ALIKE:
                say(console, f"{finding.file}: {finding.what}; {finding.mend}")
    if as_json:
        print(json.dumps(findings, indent=1))
    elif not findings:
        say(console, f"{folder}: nothing that {layout} would trip over was found")
    else:
        for (what, mend), count in alike.items():
            if count > MOST_ALIKE:
                say(console, f"{counted(count - MOST_ALIKE, 'more file')}: {what}; {mend}")
        say(Console(stderr=True), counted(len(findings), "finding"), style="red")
    return EXIT_FAILED if findings else EXIT_OK
