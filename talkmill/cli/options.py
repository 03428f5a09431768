"""Errors in the words of the command line: flags where the library names options."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from talkmill.cli.outcome import CommandError
from talkmill.cli.signature import flag_of
from talkmill.option import OptionError
from talkmill.pipeline.naming import InputError
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.pipeline.plan import ListError
from talkmill.stages.errors import StageError, remedy_of


@contextmanager
def option_errors() -> Iterator[None]:
    """Name flags where the library names options, and end the command."""
    try:
        yield
    except OptionError as error:
        raise CommandError(f"{_flag(error.option)} {error.why}") from error
    except (InputError, ListError) as error:
        raise CommandError(str(error)) from error


def _flag(option: str) -> str:
    for kind in (RunOptions, SourceOptions):
        if option in kind.__dataclass_fields__:
            return flag_of(option, kind)
    return "--" + option.replace("_", "-")


def error_text(error: StageError) -> str:
    """Return an error with its reason and what to do about it."""
    return reason_text(error.reason, str(error))


def reason_text(reason: str, message: str) -> str:
    """Return a reason, what was found, and what to do about it."""
    remedy = in_flags(remedy_of(reason))
    return f"{reason}: {message}" + (f"; {remedy}" if remedy else "")


def in_flags(text: str) -> str:
    """Return a text with the names of options, which stand in backticks, as flags."""
    return re.sub(r"`([a-z_]+)`", lambda found: _flag(found[1]), text)
