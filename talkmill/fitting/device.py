"""Choice of the device that the photometric term runs on."""

import torch


def choose_device(wanted: str) -> str:
    """Choose a torch device.

    Args:
        wanted: Execution provider of the stage: `auto`, `cpu`, `cuda` or `tensorrt`; the last two are a GPU.

    Returns:
        `cpu` or `cuda`.

    Raises:
        ValueError: A GPU is wanted and torch has none.
    """
    there = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if there else "cpu"
    if wanted == "cpu":
        return "cpu"
    if not there:
        raise ValueError(
            f"execution provider {wanted!r} is wanted for the fit, and torch {torch.__version__} sees no GPU"
        )
    return "cuda"
