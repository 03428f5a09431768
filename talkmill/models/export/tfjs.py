"""TensorFlow.js graph models to ONNX, without TensorFlow.

Knows the graph JSON and weight shards of the tfjs converter and the dozen op kinds that small vision
networks use. Knows nothing of what a network is for.

Source: https://github.com/tensorflow/tfjs/tree/master/tfjs-converter (model.json format);
https://onnx.ai/onnx/operators (target operators).
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

Node = dict[str, Any]


def read_weights(manifest: list[dict[str, Any]], folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the weight shards that a tfjs weights manifest lists.

    Args:
        manifest: The `weightsManifest` list: groups of paths and weight entries.
        folder: Where the shard files lie.

    Returns:
        Weight name to array, dequantised to float32 (integers stay int32).

    Raises:
        ValueError: A dtype or quantisation is not known, or the shards are shorter or longer than the manifest says.
    """
    weights: dict[str, npt.NDArray[Any]] = {}
    for group in manifest:
        content = b"".join((folder / Path(path).name).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            array, offset = _read_weight(entry, content, offset)
            weights[entry["name"]] = array
        if offset != len(content):
            raise ValueError(f"weight shards hold {len(content)} bytes, the manifest describes {offset}")
    return weights


def _read_weight(entry: dict[str, Any], content: bytes, offset: int) -> tuple[npt.NDArray[Any], int]:
    quantization = entry.get("quantization", {})
    stored = np.dtype(quantization.get("dtype", entry["dtype"])).newbyteorder("<")
    count = int(np.prod(entry["shape"], dtype=np.int64))
    end = offset + count * stored.itemsize
    if end > len(content):
        raise ValueError(f"weight {entry['name']!r} ends at byte {end}, the shards hold {len(content)}")
    array = np.frombuffer(content, stored, count, offset).reshape(entry["shape"])
    if stored.kind == "u":
        array = array.astype(np.float32) * np.float32(quantization["scale"]) + np.float32(quantization["min"])
    elif stored.kind == "f":
        array = array.astype(np.float32)
    elif stored.kind != "i":
        raise ValueError(f"weight {entry['name']!r} has dtype {entry['dtype']!r}, which is not known")
    return array, end


def graph_to_onnx(model_path: Path) -> onnx.ModelProto:
    """Translate a tfjs graph model (NHWC) to ONNX with the same NHWC inputs and outputs.

    Args:
        model_path: The `model.json`; its weight shards lie beside it.

    Returns:
        A checked ONNX model. Inside, the tensors are NCHW.

    Raises:
        ValueError: The graph has an op or an attribute that is not known here.
    """
    model = json.loads(model_path.read_text())
    weights = read_weights(model["weightsManifest"], model_path.parent)
    return _GraphTranslator(model, weights).translate()


class _GraphTranslator:
    """Builds the ONNX graph node by node; every value keeps its TensorFlow name."""

    def __init__(self, model: dict[str, Any], weights: dict[str, npt.NDArray[Any]]) -> None:
        self.signature = model["signature"]
        self.tf_nodes: list[Node] = model["modelTopology"]["node"]
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.handlers: dict[str, Callable[[Node], None]] = {
            "Const": lambda node: None,
            "Placeholder": self._placeholder,
            "Conv2D": self._convolution,
            "DepthwiseConv2dNative": self._depthwise_convolution,
            "Conv2DBackpropInput": self._transposed_convolution,
            "Add": lambda node: self._binary("Add", node),
            "AddV2": lambda node: self._binary("Add", node),
            "Mul": lambda node: self._binary("Mul", node),
            "AddN": lambda node: self._emit("Sum", node["input"], node["name"]),
            "Relu": lambda node: self._emit("Relu", node["input"][:1], node["name"]),
            "Relu6": self._relu6,
            "Sigmoid": lambda node: self._emit("Sigmoid", node["input"][:1], node["name"]),
            "AvgPool": self._average_pool,
            "ResizeBilinear": self._resize_bilinear,
        }

    def translate(self) -> onnx.ModelProto:
        for node in _topological(self.tf_nodes):
            if node["op"] not in self.handlers:
                raise ValueError(f"node {node['name']!r} has op {node['op']!r}, which is not known")
            self.handlers[node["op"]](node)
        inputs = [self._value_info(name, spec) for name, spec in self.signature["inputs"].items()]
        outputs = []
        for name, spec in self.signature["outputs"].items():
            outputs.append(self._value_info(name, spec))
            self._emit("Transpose", [_plain(name)], outputs[-1].name, perm=[0, 2, 3, 1])
        graph = helper.make_graph(self.nodes, "tfjs", inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="talkmill")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model

    def _value_info(self, name: str, spec: dict[str, Any]) -> onnx.ValueInfoProto:
        shape = [int(dim["size"]) for dim in spec["tensorShape"]["dim"]]
        return helper.make_tensor_value_info(_plain(name) + "_nhwc", TensorProto.FLOAT, shape)

    def _emit(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        named = [_plain(name) for name in inputs]
        self.nodes.append(helper.make_node(op, named, [output], name=output, **attributes))

    def _constant(self, name: str, array: npt.NDArray[Any]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _placeholder(self, node: Node) -> None:
        self._emit("Transpose", [node["name"] + "_nhwc"], node["name"], perm=[0, 3, 1, 2])

    def _binary(self, op: str, node: Node) -> None:
        names = []
        for name in map(_plain, node["input"]):
            if name in self.weights:
                array = self.weights[name].astype(np.float32)
                if array.ndim > 1:
                    raise ValueError(
                        f"node {node['name']!r} has a constant of shape {array.shape}; a vector was expected"
                    )
                name = self._constant(f"{node['name']}/{name}", array.reshape((1, -1, 1, 1)))
            names.append(name)
        self._emit(op, names, node["name"])

    def _relu6(self, node: Node) -> None:
        low = self._constant(node["name"] + "/min", np.zeros((), np.float32))
        high = self._constant(node["name"] + "/max", np.full((), 6, np.float32))
        self._emit("Clip", [node["input"][0], low, high], node["name"])

    def _convolution(self, node: Node) -> None:
        kernel = self.weights[_plain(node["input"][1])].transpose(3, 2, 0, 1)
        name = self._constant(node["name"] + "/kernel", kernel)
        self._emit("Conv", [node["input"][0], name], node["name"], **_convolution_attributes(node))

    def _depthwise_convolution(self, node: Node) -> None:
        kernel = self.weights[_plain(node["input"][1])]
        if kernel.shape[3] != 1:
            raise ValueError(f"node {node['name']!r} has a depth multiplier of {kernel.shape[3]}; 1 was expected")
        name = self._constant(node["name"] + "/kernel", kernel.transpose(2, 3, 0, 1))
        attributes = _convolution_attributes(node)
        self._emit("Conv", [node["input"][0], name], node["name"], group=kernel.shape[2], **attributes)

    def _transposed_convolution(self, node: Node) -> None:
        kernel = self.weights[_plain(node["input"][1])]  # (height, width, out, in)
        strides = _strides(node)
        if list(kernel.shape[:2]) != strides:
            raise ValueError(f"node {node['name']!r}: kernel {kernel.shape[:2]} and strides {strides} differ")
        name = self._constant(node["name"] + "/kernel", kernel.transpose(3, 2, 0, 1))
        self._emit("ConvTranspose", [node["input"][2], name], node["name"], strides=strides)

    def _average_pool(self, node: Node) -> None:
        kernel = [int(size) for size in node["attr"]["ksize"]["list"]["i"][1:3]]
        attributes = {"kernel_shape": kernel, "strides": _strides(node), "auto_pad": _padding(node)}
        self._emit("AveragePool", node["input"][:1], node["name"], **attributes)

    def _resize_bilinear(self, node: Node) -> None:
        if node["attr"].get("align_corners", {}).get("b"):
            raise ValueError(f"node {node['name']!r} aligns corners, which is not known")
        height, width = (int(side) for side in self.weights[_plain(node["input"][1])])
        # ONNX wants the whole NCHW size; batch and channels stay, so they are taken from the input's shape.
        shape, head = node["name"] + "/shape", node["name"] + "/head"
        self._emit("Shape", node["input"][:1], shape, start=0, end=2)
        size = self._constant(node["name"] + "/size", np.array([height, width], np.int64))
        self._emit("Concat", [shape, size], head, axis=0)
        half_pixel = node["attr"].get("half_pixel_centers", {}).get("b", False)
        mode = "half_pixel" if half_pixel else "asymmetric"
        inputs = [_plain(node["input"][0]), "", "", head]
        self._emit("Resize", inputs, node["name"], mode="linear", coordinate_transformation_mode=mode)


def _plain(name: str) -> str:
    return name.split(":")[0].lstrip("^")


def _topological(nodes: list[Node]) -> list[Node]:
    by_name = {node["name"]: node for node in nodes}
    ordered: dict[str, Node] = {}
    stack = [(node["name"], False) for node in reversed(nodes)]
    while stack:
        name, expanded = stack.pop()
        if name in ordered:
            continue
        if expanded:
            ordered[name] = by_name[name]
            continue
        stack.append((name, True))
        stack.extend((_plain(source), False) for source in by_name[name].get("input", []))
    return list(ordered.values())


def _strides(node: Node) -> list[int]:
    return [int(stride) for stride in node["attr"]["strides"]["list"]["i"][1:3]]


def _padding(node: Node) -> str:
    padding = base64.b64decode(node["attr"]["padding"]["s"]).decode()
    return {"SAME": "SAME_UPPER", "VALID": "VALID"}[padding]


def _convolution_attributes(node: Node) -> dict[str, Any]:
    dilations = [int(rate) for rate in node["attr"]["dilations"]["list"]["i"][1:3]]
    return {"strides": _strides(node), "dilations": dilations, "auto_pad": _padding(node)}
