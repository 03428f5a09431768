"""Turns talking-head videos into training sets for talking-face avatars.

    import talkmill

    summary = talkmill.run("talk.mp4", "set", talkmill.RunOptions(size=256))

What `__all__` names is public: its names and signatures stay. It is loaded when it is used, so that `import talkmill`
is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from talkmill.version import __version__ as __version__

if TYPE_CHECKING:
    from talkmill.client.client import Client, ServerError
    from talkmill.dataset.reader import Dataset
    from talkmill.layouts.registry import needs_of
    from talkmill.models.choice import ModelChoice
    from talkmill.option import OptionError
    from talkmill.pipeline.embedded import run
    from talkmill.pipeline.naming import InputError
    from talkmill.pipeline.options import RunOptions, SourceOptions
    from talkmill.pipeline.run import RunSummary
    from talkmill.stages.errors import StageError

# Name to the module that has it.
_PUBLIC = {
    "Client": "talkmill.client.client",
    "Dataset": "talkmill.dataset.reader",
    "InputError": "talkmill.pipeline.naming",
    "ModelChoice": "talkmill.models.choice",
    "OptionError": "talkmill.option",
    "RunOptions": "talkmill.pipeline.options",
    "RunSummary": "talkmill.pipeline.run",
    "ServerError": "talkmill.client.client",
    "SourceOptions": "talkmill.pipeline.options",
    "StageError": "talkmill.stages.errors",
    "needs_of": "talkmill.layouts.registry",
    "run": "talkmill.pipeline.embedded",
}

__all__ = [
    "Client",
    "Dataset",
    "InputError",
    "ModelChoice",
    "OptionError",
    "RunOptions",
    "RunSummary",
    "ServerError",
    "SourceOptions",
    "StageError",
    "needs_of",
    "run",
]


if not TYPE_CHECKING:
    # Type checkers read the imports above: a name that is not there is an error to them.

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
