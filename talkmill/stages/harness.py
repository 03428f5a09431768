"""Runs one stage over local files, for tests and experiments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.stages.contract import Stage
from talkmill.stages.execution import Execution, execute

OutputsT = TypeVar("OutputsT")


class StageHarness:
    """A store in a folder, and a way to put files in and run stages on them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.store = LocalStore({"work": folder / "work", "dataset": folder})
        self._count = 0

    def put(self, path: Path, media_type: str) -> Artifact:
        """Copy a local file into the store."""
        self._count += 1
        copy = self._folder / f"input-{self._count}{path.suffix}"
        copy.write_bytes(path.read_bytes())
        return self.store.put(copy, "work", f"inputs/{self._count}/{path.name}", media_type)

    def run(
        self,
        stage: Stage[Any, OutputsT],
        inputs: object,
        cancelled: Callable[[], bool] = lambda: False,
        fresh: bool = False,
        key_prefix: str = "",
    ) -> Execution[OutputsT]:
        """Execute a stage; anew even where the same was done before, if so wished."""
        scratch = self._folder / "scratch"
        return execute(
            stage,
            inputs,
            self.store,
            "work",
            scratch,
            cancelled=cancelled,
            skip_cache_lookup=fresh,
            key_prefix=key_prefix,
        )
