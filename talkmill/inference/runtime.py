"""The execution provider of a process and the order of preference among providers."""

import warnings
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import onnxruntime as ort

from talkmill.inference.backend import Network
from talkmill.inference.errors import PrecisionUnavailableError, ProviderUnavailableError
from talkmill.inference.onnx_backend import OnnxNetwork, open_session
from talkmill.inference.precision import Precision

Provider = Literal["auto", "cpu", "openvino", "cuda", "tensorrt"]

# OpenVINO is never chosen without being asked for: its sums run in another order than ONNX Runtime's.
AUTO = ("cuda", "cpu")
NAMES = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
# An ONNX file with one node, y = -x of one float32, to see whether a provider works.
ONE_NODE = bytes.fromhex(
    "080812003a320a0b0a017812017922034e65671201675a0f0a0178120a0a08080112040a020801"
    "620f0a0179120a0a08080112040a02080142040a00100d"
)
# Providers that can run in each precision.
PRECISIONS: dict[Precision, tuple[str, ...]] = {
    "fp32": ("cpu", "openvino", "cuda", "tensorrt"),
    "bf16": ("openvino",),
    "fp16": ("tensorrt",),
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where networks run.

    Attributes:
        provider: `cpu`, `openvino`, `cuda` or `tensorrt`.
        threads: Threads of one network on the CPU.
        gpu: Number of the GPU; one worker a GPU is one process a number.
        engine_cache: Folder where TensorRT keeps the engines that it builds; None for none.
    """

    provider: str
    threads: int
    gpu: int = 0
    engine_cache: Path | None = None

    @property
    def arithmetic(self) -> str:
        """Kind of arithmetic; two kinds give other last bits (docs/models.md, "Where networks run")."""
        return "reference" if self.provider == "cpu" else self.provider

    def check(self, precision: Precision) -> None:
        """Raise PrecisionUnavailableError where networks cannot run in a precision here."""
        wanted = PRECISIONS[precision]
        if self.provider not in wanted:
            raise PrecisionUnavailableError(
                f"{precision} needs the execution provider {' or '.join(wanted)}, this is {self.provider}"
            )
        if precision == "bf16":
            from talkmill.inference.openvino_backend import has_bf16

            if not has_bf16():
                raise PrecisionUnavailableError("this processor has no bf16 instructions; use fp32")

    def load(self, path: Path, model_id: str, precision: Precision = "fp32") -> Network:
        """Load a network.

        Args:
            path: The ONNX file.
            model_id: Catalogue id, for the record.
            precision: Of the arithmetic; inputs and outputs are float32.

        Raises:
            PrecisionUnavailableError: It cannot be run so here.
            ProviderUnavailableError: The provider cannot run it here.
        """
        self.check(precision)
        if self.provider == "openvino":
            from talkmill.inference.openvino_backend import OpenVinoNetwork

            return OpenVinoNetwork(path, model_id, self.threads, precision)
        return OnnxNetwork(path, model_id, self._providers(precision), self.threads)

    def _providers(self, precision: Precision) -> list[Any]:
        """Return ONNX Runtime's providers, best first, with the CPU last."""
        if self.provider == "cpu":
            return [NAMES["cpu"]]
        options: dict[str, str] = {"device_id": str(self.gpu)}
        if self.provider == "cuda":
            # TF32 keeps 10 bits of the mantissa: fp32 is to mean fp32.
            options["use_tf32"] = "0"
        if self.provider == "tensorrt" and precision == "fp16":
            options["trt_fp16_enable"] = "1"
        if self.provider == "tensorrt" and self.engine_cache is not None:
            options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(self.engine_cache)}
        return [(NAMES[self.provider], options), NAMES["cpu"]]


def available_providers() -> list[str]:
    """Return the providers that are installed, best first."""
    found = ort.get_available_providers()
    names = [name for name in ("tensorrt", "cuda") if NAMES[name] in found]
    return [*names, *(["openvino"] if find_spec("openvino") else []), "cpu"]


def choose_runtime(wanted: str, threads: int, gpu: int = 0, engine_cache: Path | None = None) -> Runtime:
    """Choose where networks run.

    Args:
        wanted: `cpu`, `openvino`, `cuda`, `tensorrt`, or `auto`: CUDA where it works, else the CPU, and a warning where
            CUDA is installed.
        threads: Threads of one network on the CPU.
        gpu: Number of the GPU.
        engine_cache: Folder where TensorRT keeps the engines that it builds; None for none.

    Raises:
        ProviderUnavailableError: The wanted provider is unknown, not installed, or does not work here.
    """
    available = available_providers()
    if wanted == "auto":
        name = next(name for name in AUTO if name in available and not _warned_of(name, gpu))
        return Runtime(name, threads, gpu, engine_cache)
    if wanted not in (*NAMES, "openvino"):
        known = ", ".join(sorted([*NAMES, "openvino", "auto"]))
        raise ProviderUnavailableError(f"execution provider {wanted!r} is unknown; choose one of {known}")
    if wanted not in available:
        extra = "openvino" if wanted == "openvino" else "cuda"
        raise ProviderUnavailableError(
            f"execution provider {wanted!r} is not installed, there is {', '.join(available)}; "
            f"install the extra: `pip install --editable '.[{extra}]'` in the clone of talkmill"
        )
    why = _why_not(wanted, gpu)
    if why:
        raise ProviderUnavailableError(_does_not_work(wanted, why))
    return Runtime(wanted, threads, gpu, engine_cache)


def cpu_runtime(threads: int) -> Runtime:
    """Return the provider that is everywhere and that others are compared with."""
    return Runtime("cpu", threads)


@cache
def _why_not(provider: str, gpu: int) -> str:
    """Return why an installed provider cannot run a network here; empty where it can."""
    try:
        if provider == "openvino":
            from talkmill.inference.openvino_backend import has_bf16

            has_bf16()
        else:
            open_session(ONE_NODE, ort.SessionOptions(), Runtime(provider, 1, gpu)._providers("fp32"))
    except Exception as error:
        # Libraries raise what they like; the network is ours and has no fault.
        return " ".join(str(error).split()) or type(error).__name__
    return ""


@cache
def _warned_of(provider: str, gpu: int) -> bool:
    """Say whether a provider does not work here; the first time with a warning."""
    why = _why_not(provider, gpu)
    if why:
        warnings.warn(f"{_does_not_work(provider, why)}. Networks run on the CPU", RuntimeWarning, stacklevel=3)
    return bool(why)


def _does_not_work(provider: str, why: str) -> str:
    return (
        f"execution provider {provider!r} is installed and does not work: {why}; its libraries or its device are "
        'missing (docs/models.md, "Where networks run")'
    )
