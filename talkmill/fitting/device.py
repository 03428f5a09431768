"""Choice of the device that the photometric term runs on."""

import torch


def choose_device(wanted: str, gpu: int = 0) -> str:
    """Choose a torch device.

    Args:
        wanted: Execution provider of the stage: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`; the last two
            are a GPU.
        gpu: Number of the GPU.

    Returns:
        `cpu`, `cuda`, or `cuda:N` for another GPU than the first.

    Raises:
        ValueError: A GPU is wanted and torch has none.
    """
    there = torch.cuda.is_available()
    if wanted == "auto":
        return _gpu(gpu) if there else "cpu"
    if wanted in ("cpu", "openvino"):
        return "cpu"
    if not there:
        raise ValueError(
            f"execution provider {wanted!r} is wanted for the fit, and torch {torch.__version__} sees no GPU"
        )
    return _gpu(gpu)


def _gpu(number: int) -> str:
    return f"cuda:{number}" if number else "cuda"
