"""Errors of options in the words of the command line."""

from collections.abc import Iterator
from contextlib import contextmanager

from talkmill.cli.outcome import CommandError
from talkmill.cli.signature import flag_of
from talkmill.option import OptionError
from talkmill.pipeline.naming import InputError
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.pipeline.plan import ListError


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
    return f"--{option}"
