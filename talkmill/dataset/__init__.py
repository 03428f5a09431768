"""The training set: names, keys, the LMDB, its checks and its other layouts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from talkmill.dataset.reader import Clip, Dataset, UnknownClipError

__all__ = ["Clip", "Dataset", "UnknownClipError"]


# The orchestrator needs the names of clips and installs no LMDB.
def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("talkmill.dataset.reader"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
