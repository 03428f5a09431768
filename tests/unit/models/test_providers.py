"""Where networks run: what is chosen, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from talkmill.inference import runtime
from talkmill.inference.errors import PrecisionUnavailableError, ProviderUnavailableError
from talkmill.inference.onnx_backend import OnnxNetwork
from talkmill.inference.runtime import NAMES, ONE_NODE, Runtime, available_providers, choose_runtime
from talkmill.stages.errors import ModelUnavailableError
from talkmill.stages.execution import ensure_loaded


@pytest.fixture
def libraries_are_missing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ONNX Runtime as its package for GPUs is without CUDA's libraries: it names the providers and leaves them out."""
    if NAMES["cuda"] in ort.get_available_providers():
        pytest.skip("CUDA may be there")
    monkeypatch.setattr(ort, "get_available_providers", lambda: list(NAMES.values()))
    for found in (runtime._why_not, runtime._warned_of):
        found.cache_clear()
    yield
    for found in (runtime._why_not, runtime._warned_of):
        found.cache_clear()


@pytest.fixture
def negation(tmp_path: Path) -> Path:
    path = tmp_path / "negation.onnx"
    path.write_bytes(ONE_NODE)
    return path


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


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_without_its_libraries_is_an_error_and_never_the_cpu(
    provider: str, libraries_are_missing: None, negation: Path
) -> None:
    with pytest.raises(ProviderUnavailableError, match=f"'{provider}' is installed and does not work: .* left .* out"):
        choose_runtime(provider, 1)
    # Also where only this network cannot be run, as when the memory of the GPU is full.
    with pytest.raises(ProviderUnavailableError, match="would run on CPUExecutionProvider"):
        Runtime(provider, 1).load(negation, "negation")


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_auto_says_once_that_a_gpu_is_not_used(libraries_are_missing: None) -> None:
    with pytest.warns(
        RuntimeWarning, match="'cuda' is installed and does not work: .* Networks run on the CPU"
    ) as told:
        assert choose_runtime("auto", 1).arithmetic == "reference"
        assert choose_runtime("auto", 1).provider == "cpu"
    assert len([one for one in told if one.category is RuntimeWarning]) == 1


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_stage_that_cannot_have_its_provider_is_a_missing_model(libraries_are_missing: None, negation: Path) -> None:
    class Stage:
        def load(self) -> None:
            Runtime("cuda", 1).load(negation, "negation")

    with pytest.raises(ModelUnavailableError, match="left CUDAExecutionProvider out"):
        ensure_loaded(Stage())  # type: ignore[arg-type]


def test_the_network_that_providers_are_tried_with_is_one(negation: Path) -> None:
    network = OnnxNetwork(negation, "negation", [NAMES["cpu"]], 1)
    assert network.run({"x": np.array([3.0], np.float32)}) == [np.array([-3.0], np.float32)]
    assert runtime._why_not("cpu", 0) == ""
    assert runtime._why_not("openvino", 0) == ""
