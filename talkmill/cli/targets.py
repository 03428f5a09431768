"""`--for`: the layouts that a run is for, in the words of the command line."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from shlex import quote

from talkmill.dataset.reader import Dataset
from talkmill.layouts.options import Targets
from talkmill.layouts.registry import ExtraMissingError, UnknownLayoutError, export_command, layout_of, needs_of
from talkmill.option import OptionError
from talkmill.pipeline.options import RunOptions


def run_options(options: RunOptions, targets: Targets) -> RunOptions:
    """Return the options of a run that makes what layouts need, or everything where none is named.

    Raises:
        OptionError: There is no such layout.
    """
    if not targets.layouts:
        return options
    try:
        return replace(options, needs=needs_of(targets.names))
    except (ExtraMissingError, UnknownLayoutError) as error:
        raise OptionError("layouts", str(error)) from error


def export_lines(layouts: Sequence[str], folder: Path, longest_seconds: float) -> list[str]:
    """Return the commands that write a set for the trainers that it was made for, a line each.

    Args:
        layouts: What it was made for; the command with gaps where that is nothing.
        folder: Of the run.
        longest_seconds: Of the clips of the run; a line says which layouts take none so short.
    """
    if not layouts:
        return [f"write it for a trainer: {export_command('NAME', quote(str(folder)), 'DIR')}"]
    lines = []
    for name in layouts:
        command = export_command(name, quote(str(folder)), quote(str(folder / "layouts" / name)))
        lines.append(f"write it for the trainer: {command}")
        least = layout_of(name).lengths.least_seconds
        if longest_seconds < least:
            lines.append(
                f"{name} takes {least:g} s at least, and no clip of this command is longer than "
                f"{longest_seconds:.2f} s: add longer ones, or give the export --least-seconds"
            )
    return lines


def longest_seconds(folder: Path, clips: Iterable[str]) -> float:
    """Return how long the longest of some clips of a set is.

    Args:
        folder: Of `data.mdb`.
        clips: At least one, as a run of today packed them.

    Raises:
        DatasetError: There is no set, it has no such clip, or it is damaged.
    """
    with Dataset(folder) as dataset:
        return max(float(dataset.entry(clip).frame_count / Fraction(dataset.meta(clip)["rate"])) for clip in clips)
