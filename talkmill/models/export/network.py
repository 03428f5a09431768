"""A torch network to ONNX, compared with torch before anyone uses it."""

import copy
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from talkmill.inference.onnx_backend import OnnxNetwork

OPSET = 17
# Largest difference to torch that an export in fp32 may have, as a share of the largest output.
PARITY = 1e-4
_TRACER_WARNING: type[Warning] = torch.jit.TracerWarning  # type: ignore[attr-defined]


class ExportError(ValueError):
    """A checkpoint is not that of the network, or its export differs."""


def load_weights(network: nn.Module, checkpoint: Path, key: str | None = None) -> None:
    """Load a checkpoint into a network, every name and shape compared.

    Args:
        network: Its weights are replaced.
        checkpoint: A state_dict, with or without the `module.` of DataParallel; or TorchScript.
        key: Where the state_dict lies in the checkpoint; None where it is all of it.

    Raises:
        ExportError: The file is no checkpoint, or that of another network.
    """
    weights = _state_dict(checkpoint, key)
    if weights and all(name.startswith("module.") for name in weights):
        weights = OrderedDict((name.removeprefix("module."), value) for name, value in weights.items())
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        words = " ".join(str(error).split())
        raise ExportError(f"{checkpoint.name} has other layers than {type(network).__name__}: {words[:800]}") from error
    network.eval()


def export_network(
    network: nn.Module,
    examples: Sequence[torch.Tensor],
    names: tuple[str, str],
    axes: Mapping[int, str],
    target: Path,
    output_axes: Mapping[int, str],
    metadata: Mapping[str, str] | None = None,
) -> float:
    """Export a network of one input and one output, and compare it with torch.

    Args:
        network: In inference mode.
        examples: Inputs of different batch and size, where they may differ; the first is traced.
        names: Of the input and the output.
        axes: Axes of the input that may have any length, by name.
        target: The .onnx to write.
        output_axes: Those of the output.
        metadata: What is written beside the network.

    Returns:
        The largest difference to torch over the examples, as a share of the largest output.

    Raises:
        ExportError: It differs by more than PARITY.
    """
    with warnings.catch_warnings(), torch.inference_mode(mode=False):
        # torch 2.13 advises its newer exporter, which needs onnxscript; tracing warns of sizes that become constants,
        # which the comparison over several sizes would find.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Instance normalisation has statistics of the image in both modes.
        warnings.filterwarnings("ignore", message="ONNX export mode is set")
        warnings.simplefilter("ignore", _TRACER_WARNING)
        torch.onnx.export(
            network,
            (examples[0],),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes={names[0]: dict(axes), names[1]: dict(output_axes)},
        )
    if metadata:
        model = onnx.load(str(target))
        for name, value in metadata.items():
            model.metadata_props.add(key=name, value=value)
        onnx.save(model, str(target))
    difference = max(_difference(network, target, names[0], example) for example in examples)
    if not difference <= PARITY:
        raise ExportError(f"the exported network differs from torch by {difference:g}, {PARITY:g} is allowed")
    return difference


def _difference(network: nn.Module, path: Path, name: str, example: torch.Tensor) -> float:
    # In float64 torch's own rounding does not count: with random weights it is as large as what is looked for.
    exact = copy.deepcopy(network).double()
    with torch.inference_mode():
        expected = exact(example.double()).numpy()
    (found,) = OnnxNetwork(path, "export", ["CPUExecutionProvider"], 1).run({name: example.numpy()})
    if found.shape != expected.shape:
        raise ExportError(f"the exported network gives {found.shape}, torch gives {expected.shape}")
    return float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))


def _state_dict(checkpoint: Path, key: str | None) -> "OrderedDict[str, torch.Tensor]":
    if _is_torchscript(checkpoint):
        with warnings.catch_warnings():
            # TorchScript is frozen, and what the authors of FAN publish.
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.load(str(checkpoint), map_location="cpu")  # type: ignore[no-untyped-call]
        return OrderedDict(script.state_dict())
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ExportError(f"{checkpoint.name} is no checkpoint of torch that holds weights alone: {error}") from error
    if key is not None:
        if not isinstance(content, dict) or key not in content:
            found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
            raise ExportError(f"{checkpoint.name} has no `{key}` (it has {found})")
        content = content[key]
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ExportError(f"{checkpoint.name} is not a state_dict: it holds {type(content).__name__}")
    return OrderedDict(content)


def _is_torchscript(checkpoint: Path) -> bool:
    """Say whether a file is a TorchScript archive; its code is read and never run."""
    if not zipfile.is_zipfile(checkpoint):
        return False
    with zipfile.ZipFile(checkpoint) as archive:
        return any("/code/" in name for name in archive.namelist())
