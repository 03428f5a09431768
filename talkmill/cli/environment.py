"""Settings and models from the environment, with readable errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError
from rich.console import Console

from talkmill.cli.errors import in_flags
from talkmill.cli.outcome import CommandError
from talkmill.cli.terminal import say
from talkmill.dataset.environment import DatasetError
from talkmill.environment import settings_errors
from talkmill.models.repository import ModelError, ModelRepository
from talkmill.option import OptionError
from talkmill.pipeline.settings import Settings

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Read settings of a kind.

    Raises:
        CommandError: A variable is not what it should be.
    """
    try:
        return kind()
    except (ValidationError, SettingsError) as error:
        raise CommandError("; ".join(settings_errors(error))) from error


def open_models(settings: Settings, console: Console) -> ModelRepository:
    """Return the model folder, which says on the console what it fetches."""

    def announce(line: str) -> None:
        say(console, f"fetching {line}")

    return ModelRepository(settings.models.directory, settings.models.mirror, announce)


@contextmanager
def dataset_errors() -> Iterator[None]:
    """Turn what a data set or a model may raise into words for the command line."""
    try:
        yield
    except OptionError:
        # `option_errors` names the flag.
        raise
    except (DatasetError, ModelError, ValueError, OSError) as error:
        raise CommandError(in_flags(str(error))) from error
