"""Networks on OpenVINO: Intel's own kernels, and bf16 where the processor has it (AVX-512 BF16, AMX)."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from talkmill.arrays import Float32Array
from talkmill.inference import observer

# Compiled forms that are kept; a clip has frames of one size.
MOST_SHAPES = 4
Shapes = tuple[tuple[int, ...], ...]
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoNetwork:
    """One ONNX model, compiled for each shape that comes; each thread that calls `run` has requests of its own."""

    def __init__(self, path: Path, model_id: str, threads: int, precision: str) -> None:
        """Read a model.

        Args:
            path: The ONNX file.
            model_id: Catalogue id, for the record.
            threads: Threads of one `run`.
            precision: `fp32` or `bf16`; inputs and outputs are float32 in both.
        """
        core = _core()
        self._model = core.read_model(str(path))
        self._metadata = _metadata(self._model)
        self._inputs = tuple(port.get_any_name() for port in self._model.inputs)
        self._settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled: OrderedDict[Shapes, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._model_id = model_id
        self._local = threading.local()
        observer.loaded(model_id, self.execution_provider)

    @property
    def model_id(self) -> str:
        """Catalogue id of the model."""
        return self._model_id

    @property
    def execution_provider(self) -> str:
        """Always `openvino`."""
        return "openvino"

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the model's order."""
        return self._inputs

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says beside the network."""
        return self._metadata

    def run(self, inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
        """Run the network once; see `backend.Network`."""
        contiguous = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        request = self._request(tuple(contiguous[name].shape for name in self._inputs))
        began = time.perf_counter()
        outputs = request.infer(contiguous, share_inputs=True)
        observer.ran(self._model_id, self.execution_provider, time.perf_counter() - began)
        return [np.array(value, np.float32) for value in outputs.values()]

    def _request(self, shapes: Shapes) -> Any:
        """Return this thread's request for inputs of these shapes."""
        requests: OrderedDict[Shapes, Any] = self._local.__dict__.setdefault("requests", OrderedDict())
        if shapes not in requests:
            requests[shapes] = self._compile(shapes).create_infer_request()
            if len(requests) > MOST_SHAPES:
                requests.popitem(last=False)
        requests.move_to_end(shapes)
        return requests[shapes]

    def _compile(self, shapes: Shapes) -> Any:
        """Compile the model for fixed shapes: its kernels are chosen for them, a tenth to a fifth faster (MODNet)."""
        with self._lock:
            if shapes not in self._compiled:
                model = self._model.clone()
                model.reshape({port: list(shape) for port, shape in zip(model.inputs, shapes, strict=True)})
                self._compiled[shapes] = _core().compile_model(model, "CPU", self._settings)
                if len(self._compiled) > MOST_SHAPES:
                    self._compiled.popitem(last=False)
            return self._compiled[shapes]


def has_bf16() -> bool:
    """Say whether the processor has bf16 instructions: without them bf16 is slower than fp32."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def _core() -> Any:
    return ov.Core()


def _metadata(model: Any) -> dict[str, str]:
    """Return the ONNX file's own properties, which OpenVINO keeps under `framework`."""
    if not model.has_rt_info("framework"):
        return {}
    return {str(name): str(value) for name, value in model.get_rt_info("framework").value.items()}
