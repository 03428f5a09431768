"""Choice of the execution provider. Knows the order of preference and nothing of models."""

import onnxruntime as ort

PREFERENCE = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


def choose_providers(wanted: str) -> list[str]:
    """Choose ONNX Runtime providers, best first, with the CPU last.

    Args:
        wanted: `auto`, or one of `cpu`, `cuda`, `tensorrt`.

    Returns:
        Provider names as ONNX Runtime knows them.

    Raises:
        ValueError: The wanted provider is unknown or not in the installed ONNX Runtime.
    """
    available = ort.get_available_providers()
    if wanted == "auto":
        return [name for name in PREFERENCE[1:] if name in available]
    names = {name.removesuffix("ExecutionProvider").lower(): name for name in PREFERENCE}
    if wanted not in names:
        raise ValueError(f"execution provider {wanted!r} is unknown; choose one of auto, {', '.join(sorted(names))}")
    if names[wanted] not in available:
        raise ValueError(
            f"execution provider {wanted!r} is not in the installed ONNX Runtime, which has {', '.join(available)}; "
            "install talkmill[cuda] for a GPU"
        )
    return [names[wanted], *(["CPUExecutionProvider"] if wanted != "cpu" else [])]
