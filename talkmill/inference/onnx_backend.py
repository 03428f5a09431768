"""Networks on ONNX Runtime."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from talkmill.arrays import Float32Array
from talkmill.inference import observer
from talkmill.inference.errors import ProviderUnavailableError

# Published builds tell Microsoft how they are used; servers and the command line set ORT_DISABLE_TELEMETRY before this.
ort.disable_telemetry_events()


def open_session(model: str | bytes, options: ort.SessionOptions, providers: list[Any]) -> ort.InferenceSession:
    """Open a session whose first provider is the wanted one.

    ONNX Runtime goes on with the next provider when the libraries of one are missing, or when it fails in a run. The
    numbers would be those of another kind of arithmetic, and the time that of another machine.

    Args:
        model: File or content.
        options: Of the session.
        providers: Names, or names with options.

    Raises:
        ProviderUnavailableError: ONNX Runtime left the first one out.
    """
    session = ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    found = session.get_providers()
    if found[0] != wanted:
        raise ProviderUnavailableError(f"ONNX Runtime left {wanted} out and would run on {found[0]}")
    return session


class OnnxNetwork:
    """One ONNX model in one session; `run` may be called from several threads."""

    def __init__(self, path: Path, model_id: str, providers: list[Any], threads: int) -> None:
        """Load a model.

        Args:
            path: The ONNX file.
            model_id: Catalogue id, for the record.
            providers: ONNX Runtime providers: names, or names with options. The first runs the network, and another one
                what the first cannot.
            threads: Threads of one `run`.

        Raises:
            ProviderUnavailableError: The first cannot be used.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that wait sleep: where they spin, a machine with other work takes twice as long, and one without wins
        # nothing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        # The arena keeps the high-water mark of every shape it has seen; memory matters more here than speed.
        options.enable_cpu_mem_arena = False
        self._session = open_session(str(path), options, providers)
        self._inputs = tuple(node.name for node in self._session.get_inputs())
        self._model_id = model_id
        observer.loaded(model_id, self.execution_provider)

    @property
    def model_id(self) -> str:
        """Catalogue id of the model."""
        return self._model_id

    @property
    def execution_provider(self) -> str:
        """The provider that the session put first."""
        return str(self._session.get_providers()[0]).removesuffix("ExecutionProvider").lower()

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the model's order."""
        return self._inputs

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says beside the network."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
        """Run the network once; see `backend.Network`."""
        contiguous = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        began = time.perf_counter()
        outputs = self._session.run(None, contiguous)
        observer.ran(self._model_id, self.execution_provider, time.perf_counter() - began)
        return [np.asarray(output) for output in outputs]
