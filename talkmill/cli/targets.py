"""`--for`: the layouts that a run is for, in the words of the command line."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

from talkmill.layouts.options import Targets
from talkmill.layouts.registry import ExtraMissingError, UnknownLayoutError, export_command, needs_of
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


def export_lines(layouts: Sequence[str], folder: Path) -> list[str]:
    """Return the commands that write a set for the trainers that it was made for, a line each."""
    return [
        f"write it for the trainer: {export_command(name, quote(str(folder)), quote(str(folder / 'layouts' / name)))}"
        for name in layouts
    ]
