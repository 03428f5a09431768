"""The interface between the server and the folder of a stage: `process.py` with SETTINGS and `build`."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from services.settings import StageServerSettings
from talkmill.stages.contract import Stage

# The stage of a request, and the stages to load before the server is ready.
Built = tuple[Callable[[Any], Stage[Any, Any]], list[Stage[Any, Any]]]


class StageProcess(Protocol):
    """The module `services.STAGE.process`."""

    SETTINGS: type[StageServerSettings]

    @staticmethod
    def build(settings: Any) -> Built:
        """Return the stage of a request, and the stages to load before the server is ready."""
        ...


def process_of(stage: str) -> StageProcess:
    """Return the process of a stage, by its name."""
    module: Any = import_module(f"services.{stage}.process")
    return module  # type: ignore[no-any-return]


def one_stage(stage: Stage[Any, Any]) -> Built:
    """Return a stage that takes every request."""
    return (lambda inputs: stage), [stage]
