"""Where networks run: what is chosen, and what is refused."""

import pytest

from talkmill.inference.backend import PrecisionUnavailableError
from talkmill.inference.runtime import Runtime, available_providers, choose_runtime


def test_openvino_is_there_and_never_chosen_by_itself() -> None:
    assert "openvino" in available_providers()
    assert choose_runtime("auto", 1).provider in ("cpu", "cuda")
    assert choose_runtime("openvino", 1).provider == "openvino"
    with pytest.raises(ValueError, match="unknown; choose one of auto, cpu, cuda, openvino, tensorrt"):
        choose_runtime("rocm", 1)


def test_a_gpu_is_chosen_by_number() -> None:
    (first, _) = Runtime("cuda", 1, gpu=3)._providers("fp32")
    assert first == ("CUDAExecutionProvider", {"device_id": "3", "use_tf32": "0"})


@pytest.mark.parametrize(("provider", "precision"), [("cpu", "bf16"), ("cpu", "fp16"), ("openvino", "fp16")])
def test_a_precision_that_is_not_there_is_refused(provider: str, precision: str) -> None:
    with pytest.raises(PrecisionUnavailableError, match=precision):
        Runtime(provider, 1).check(precision)  # type: ignore[arg-type]
