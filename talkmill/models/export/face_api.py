"""face-api.js weight files to ONNX: the 68-landmark net and the face embedding net.

face-api.js ships weights only; the networks are described in its TypeScript. Knows those two.

Source: https://github.com/vladmandic/face-api, src/faceFeatureExtractor, src/faceLandmarkNet,
src/faceRecognitionNet (MIT). The embedding net is dlib's ResNet (King, "High quality face recognition with deep metric
learning", 2017).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from talkmill.models.export.tfjs import IR_VERSION, OPSET, read_weights

# Mean RGB that face-api.js subtracts before its nets (FaceFeatureExtractor.ts, FaceRecognitionNet.ts).
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


# Residual blocks of the embedding net after its first pooling, and which of them halve the size.
EMBEDDING_BLOCKS = (
    *("conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2", "conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
EMBEDDING_SIDE = 150


def embedding_net_to_onnx(manifest_path: Path) -> onnx.ModelProto:
    """Build the face embedding net.

    Args:
        manifest_path: `face_recognition_model-weights_manifest.json`; the `.bin` lies beside it.

    Returns:
        ONNX model: `image` (N, 3, 150, 150) float32 RGB 0..255 to `embedding` (N, 128); two pictures of one person
        are nearer than 0.6 as a rule.
    """
    builder = _Builder(read_weights(json.loads(manifest_path.read_text()), manifest_path.parent))
    mean = builder.constant("mean", np.array(MEAN_RGB, np.float32).reshape(1, 3, 1, 1))
    scale = builder.constant("scale", np.full((), 1 / 256, np.float32))
    value = builder.emit("Mul", [builder.emit("Sub", ["image", mean]), scale])
    value = builder.emit("Relu", [_scaled_convolution(builder, value, "conv32_down", 2)])
    value = builder.emit("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2])
    side = ((EMBEDDING_SIDE - 7) // 2 + 1 - 3) // 2 + 1
    for name in EMBEDDING_BLOCKS:
        if "_down" in name:
            value, side = _halving_block(builder, value, name, side)
        else:
            inner = builder.emit("Relu", [_scaled_convolution(builder, value, f"{name}/conv1", 1)])
            inner = _scaled_convolution(builder, inner, f"{name}/conv2", 1)
            value = builder.emit("Relu", [builder.emit("Add", [value, inner])])
    value = builder.emit("Flatten", [builder.emit("GlobalAveragePool", [value])], axis=1)
    builder.emit("MatMul", [value, builder.constant("fc", builder.weights["fc"])], output="embedding")
    side_in = ["N", 3, EMBEDDING_SIDE, EMBEDDING_SIDE]
    return builder.finish(("image", side_in), ("embedding", ["N", builder.weights["fc"].shape[1]]))


def _halving_block(builder: "_Builder", value: str, name: str, side: int) -> tuple[str, int]:
    """A residual block of half the size; zeros stand for the channels and the border that one branch lacks."""
    inner = builder.emit("Relu", [_scaled_convolution(builder, value, f"{name}/conv1", 2)])
    inner = _scaled_convolution(builder, inner, f"{name}/conv2", 1)
    pooled = builder.emit("AveragePool", [value], kernel_shape=[2, 2], strides=[2, 2])
    small, half = (side - 3) // 2 + 1, side // 2
    if small < half:
        inner = builder.pad(inner, f"{name}/border", [0, 0, 0, 0, 0, 0, half - small, half - small])
    filters = builder.weights[f"{name}/conv1/conv/filters"]
    more = filters.shape[3] - filters.shape[2]
    if more:
        pooled = builder.pad(pooled, f"{name}/channels", [0, 0, 0, 0, 0, more, 0, 0])
    return builder.emit("Relu", [builder.emit("Add", [pooled, inner])]), half


def _scaled_convolution(builder: "_Builder", value: str, name: str, stride: int) -> str:
    """A convolution whose outputs are scaled and shifted, folded into one (convLayer.ts)."""
    weights = builder.weights
    gain, shift = weights[f"{name}/scale/weights"], weights[f"{name}/scale/biases"]
    kernel = builder.constant(
        f"{name}/kernel", weights[f"{name}/conv/filters"].transpose(3, 2, 0, 1) * gain[:, None, None, None]
    )
    bias = builder.constant(f"{name}/offset", weights[f"{name}/conv/bias"] * gain + shift)
    padding = "SAME_UPPER" if stride == 1 else "VALID"
    return builder.emit("Conv", [value, kernel, bias], strides=[stride, stride], auto_pad=padding)


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

    def pad(self, value: str, name: str, amounts: list[int]) -> str:
        return self.emit("Pad", [value, self.constant(name, np.array(amounts, np.int64))])

    def finish(self, source: tuple[str, list[Any]], target: tuple[str, list[Any]]) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])]
        outputs = [helper.make_tensor_value_info(target[0], TensorProto.FLOAT, target[1])]
        graph = helper.make_graph(self._nodes, "face_api", inputs, outputs, self._initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="talkmill")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model
