"""The contract of a stage. A stage never sees a proto, a channel, a bucket client or an environment variable."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import ModelVersion
from talkmill.artifacts.store import Store
from talkmill.stages.errors import CancelledError

InputsT_contra = TypeVar("InputsT_contra", contravariant=True)
OutputsT_co = TypeVar("OutputsT_co", covariant=True)

# A measurement of an output, as the report and the manifest show it.
Measurement = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage may use while it runs.

    Attributes:
        store: The store, for reading.
        scratch: An empty folder of its own, deleted afterwards.
        path: Artifact to the local path of its verified content.
        report: Called with done, total and unit.
        cancelled: Whether the work should stop.
        publish: Local file, name and media type to the artifact in the output prefix. The file is moved.
        count_video: Called with frames that are done and the seconds of video that they are, for the metrics.
    """

    store: Store
    scratch: Path
    path: Callable[[Artifact], Path]
    report: Callable[[int, int, str], None]
    cancelled: Callable[[], bool]
    publish: Callable[[Path, str, str], Artifact]
    count_video: Callable[[int, float], None] = lambda frames, seconds: None

    def advance(self, done: int, total: int, unit: str = "frames") -> None:
        """Report progress, and stop here if the work was cancelled.

        Raises:
            CancelledError: The work was cancelled.
        """
        if self.cancelled():
            raise CancelledError(f"cancelled after {done} of {total} {unit}")
        self.report(done, total, unit)


class Stage(Protocol[InputsT_contra, OutputsT_co]):
    """One step of the pipeline. Inputs and outputs are frozen dataclasses; running twice does no harm."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> str:
        """Version of the code that decides the numbers; part of the action digest."""
        ...

    @property
    def outputs_type(self) -> type[OutputsT_co]:
        """The dataclass that `run` returns."""
        ...

    @property
    def models(self) -> tuple[ModelVersion, ...]:
        """Models that decide the numbers; part of the action digest."""
        ...

    @property
    def execution_provider(self) -> str:
        """Provider that runs the networks; empty where there are none."""
        ...

    @property
    def arithmetic(self) -> str:
        """Kind of arithmetic that decides the last bits; part of the action digest.

        `reference` (ONNX Runtime on a CPU), `openvino`, `cuda` or `tensorrt`; empty where no network runs.
        """
        ...

    @property
    def keeps_result(self) -> bool:
        """Whether a result is kept and found again.

        False for a stage that changes a folder in place: no earlier result says what is there now.
        """
        ...

    def load(self) -> None:
        """Load the models; called once a process, before the first `run`."""
        ...

    def run(self, inputs: InputsT_contra, context: StageContext) -> OutputsT_co:
        """Do the work.

        Raises:
            StageError: The work ended without outputs; the class says why.
        """
        ...
