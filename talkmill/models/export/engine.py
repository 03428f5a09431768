"""TensorRT engines, built before they are needed and compared with fp32 before anyone trusts them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from talkmill.inference.precision import Precision
from talkmill.inference.runtime import Runtime, choose_runtime, cpu_runtime

# Largest difference to the CPU in fp32, as a share of the largest output.
TOLERANCES: dict[Precision, float] = {"fp32": 2e-3, "fp16": 2e-2}


class EngineError(ValueError):
    """An engine gives other numbers than the network."""


def build_engine(
    path: Path, model_id: str, folder: Path, precision: Precision, shapes: Mapping[str, Sequence[int]], gpu: int = 0
) -> float:
    """Build a network's engine into a folder, and compare it with the CPU.

    ONNX Runtime's TensorRT provider builds engines at the first run of a shape and keeps them; this is that first run.

    Args:
        path: The ONNX file.
        model_id: Catalogue id.
        folder: Where engines are kept.
        precision: `fp32` or `fp16`.
        shapes: Of every input.
        gpu: Number of the GPU.

    Returns:
        The largest difference, as a share of the largest output.

    Raises:
        ValueError: TensorRT is not installed here.
        EngineError: The engine differs by more than TOLERANCES allows; it must not be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    runtime = replace(choose_runtime("tensorrt", 1, gpu), engine_cache=folder)
    random = np.random.default_rng(0)
    inputs = {name: random.uniform(0, 1, tuple(shape)).astype(np.float32) for name, shape in shapes.items()}
    expected, found = (_run(place, path, model_id, kind, inputs) for place, kind in _both(runtime, precision))
    difference = max(
        float(np.abs(mine - theirs).max()) / max(1.0, float(np.abs(theirs).max()))
        for mine, theirs in zip(found, expected, strict=True)
    )
    if not difference <= TOLERANCES[precision]:
        raise EngineError(
            f"{model_id} in {precision} differs from fp32 by {difference:g}, {TOLERANCES[precision]:g} is allowed"
        )
    return difference


def _both(runtime: Runtime, precision: Precision) -> tuple[tuple[Runtime, Precision], tuple[Runtime, Precision]]:
    return (cpu_runtime(runtime.threads), "fp32"), (runtime, precision)


def _run(
    runtime: Runtime, path: Path, model_id: str, precision: Precision, inputs: Mapping[str, npt.NDArray[np.float32]]
) -> list[npt.NDArray[np.float32]]:
    return runtime.load(path, model_id, precision).run(inputs)
