"""Errors in the words of the command line: flags where the library names options."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import get_type_hints

from talkmill.cli.outcome import CommandError
from talkmill.layouts.options import ExportOptions, Targets
from talkmill.models.choice import ModelChoice
from talkmill.option import OptionError, Options, option_of
from talkmill.pipeline.naming import InputError
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.pipeline.plan import ListError
from talkmill.stages.errors import StageError, remedy_of

# Options of `talkmill hdtf download`, which remedies of its errors name.
HDTF_OPTIONS = ("cookies", "cookies_from_browser", "proxy", "sleep")


@contextmanager
def option_errors() -> Iterator[None]:
    """Name flags where the library names options, and end the command.

    Raises:
        CommandError: An option or an input cannot be read.
    """
    try:
        yield
    except OptionError as error:
        raise CommandError(in_flags(f"`{error.option}` {error.why}")) from error
    except (InputError, ListError) as error:
        raise CommandError(in_flags(str(error))) from error


def error_text(error: StageError, options: Sequence[str] = ()) -> str:
    """Return an error with its reason and what to do about it; `options` are those of the command beside a run's."""
    return reason_text(error.reason, str(error), options)


def reason_text(reason: str, message: str, options: Sequence[str] = ()) -> str:
    """Return a reason, what was found, and what to do about it."""
    remedy = in_flags(remedy_of(reason), options)
    return f"{reason}: {message}" + (f"; {remedy}" if remedy else "")


def in_flags(text: str, options: Sequence[str] = ()) -> str:
    """Return a text with the names of options, which stand in backticks, as flags.

    Args:
        text: What the library says.
        options: Options of the command, beside those of a run.
    """
    flags = {name: name.replace("_", " ") for name in HDTF_OPTIONS}
    flags |= _run_flags() | {name: "--" + name.replace("_", "-") for name in options}
    return re.sub(r"`([a-z_]+)`", lambda found: flags.get(found[1], found[0]), text)


@cache
def _run_flags() -> dict[str, str]:
    flags = {name: f"--{name}" for name in ("out", "jobs", "provider")}
    for kind in (RunOptions, SourceOptions, ModelChoice, ExportOptions, Targets):
        flags |= {one.name: flag for one in fields(kind) if (flag := flag_of(one.name, kind))}
    return flags


def flag_of(name: str, kind: type[Options]) -> str:
    """Return what an option is called on the command line; "" where it is none there."""
    hint = get_type_hints(kind, include_extras=True)[name]
    option = option_of(hint)
    return "" if option is None else option.flag or "--" + name.replace("_", "-")
