"""face-api.js weight files to ONNX: the 68-landmark net.

face-api.js ships weights only; the networks are described in its TypeScript. Knows that one architecture.

Source: https://github.com/vladmandic/face-api, src/faceFeatureExtractor, src/faceLandmarkNet (MIT).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from talkmill.models.export.tfjs import IR_VERSION, OPSET, read_weights

# Mean RGB that face-api.js subtracts before its landmark net (FaceFeatureExtractor.ts).
MEAN_RGB = (122.782, 117.001, 104.298)


def landmark_net_to_onnx(manifest_path: Path) -> onnx.ModelProto:
    """Build the 68-landmark net.

    Args:
        manifest_path: `face_landmark_68_model-weights_manifest.json`; the `.bin` lies beside it.

    Returns:
        ONNX model: `image` (N, 3, 112, 112) float32 RGB 0..255 to `landmarks` (N, 68, 2) in [0, 1] of the image.
    """
    builder = _Builder(read_weights(json.loads(manifest_path.read_text()), manifest_path.parent))
    mean = builder.constant("mean", np.array(MEAN_RGB, np.float32).reshape(1, 3, 1, 1))
    scale = builder.constant("scale", np.full((), 1 / 255, np.float32))
    value = builder.emit("Mul", [builder.emit("Sub", ["image", mean]), scale])
    for index in range(4):
        value = _dense_block(builder, value, f"dense{index}", first=index == 0)
    value = builder.emit("AveragePool", [value], kernel_shape=[7, 7], strides=[2, 2])
    value = builder.emit("Flatten", [value], axis=1)
    weights = builder.constant("fc/weights", builder.weights["fc/weights"])
    bias = builder.constant("fc/bias", builder.weights["fc/bias"])
    value = builder.emit("Gemm", [value, weights, bias])
    shape = builder.constant("landmarks/shape", np.array([-1, 68, 2], np.int64))
    builder.emit("Reshape", [value, shape], output="landmarks")
    return builder.finish(("image", ["N", 3, 112, 112]), ("landmarks", ["N", 68, 2]))


def _dense_block(builder: "_Builder", value: str, name: str, first: bool) -> str:
    """Four convolutions, the outputs of all earlier ones summed into each (DenseBlock4)."""
    if first:
        total = builder.emit("Relu", [builder.convolution(value, f"{name}/conv0", stride=2)])
    else:
        total = builder.emit("Relu", [builder.separable(value, f"{name}/conv0", 2)])
    outputs = [total]
    for index in range(1, 4):
        out = builder.separable(total, f"{name}/conv{index}", 1)
        outputs.append(out)
        total = builder.emit("Relu", [builder.emit("Sum", list(outputs))])
    return total


class _Builder:
    """Collects nodes and constants of one graph."""

    def __init__(self, weights: dict[str, npt.NDArray[Any]]) -> None:
        self.weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def emit(self, op: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{op.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def convolution(self, value: str, name: str, stride: int) -> str:
        kernel = self.constant(f"{name}/filters", self.weights[f"{name}/filters"].transpose(3, 2, 0, 1))
        bias = self.constant(f"{name}/bias", self.weights[f"{name}/bias"])
        return self.emit("Conv", [value, kernel, bias], strides=[stride, stride], auto_pad="SAME_UPPER")

    def separable(self, value: str, name: str, stride: int) -> str:
        depthwise = self.weights[f"{name}/depthwise_filter"]
        kernel = self.constant(f"{name}/depthwise_filter", depthwise.transpose(2, 3, 0, 1))
        group = depthwise.shape[2]
        value = self.emit("Conv", [value, kernel], strides=[stride, stride], auto_pad="SAME_UPPER", group=group)
        pointwise = self.weights[f"{name}/pointwise_filter"].transpose(3, 2, 0, 1)
        bias = self.constant(f"{name}/bias", self.weights[f"{name}/bias"])
        return self.emit("Conv", [value, self.constant(f"{name}/pointwise_filter", pointwise), bias])

    def finish(self, source: tuple[str, list[Any]], target: tuple[str, list[Any]]) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])]
        outputs = [helper.make_tensor_value_info(target[0], TensorProto.FLOAT, target[1])]
        graph = helper.make_graph(self._nodes, "face_api", inputs, outputs, self._initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="talkmill")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model
