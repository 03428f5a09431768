"""The interface of a network."""

from collections.abc import Mapping
from typing import Protocol

from talkmill.arrays import Float32Array


class Network(Protocol):
    """A loaded network; safe to call from several threads."""

    @property
    def model_id(self) -> str:
        """Catalogue id of the model."""
        ...

    @property
    def execution_provider(self) -> str:
        """Name of the execution provider that runs it."""
        ...

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the model's order."""
        ...

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says beside the network."""
        ...

    def run(self, inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
        """Run the network once.

        Args:
            inputs: Input name to array, in the shapes that the catalogue gives.

        Returns:
            The outputs in the model's order.
        """
        ...
