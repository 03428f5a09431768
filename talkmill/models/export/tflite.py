"""TensorFlow Lite files to ONNX, without TensorFlow.

Knows flatbuffers, the tables of the TFLite schema and the nine operators that small face networks use. Knows nothing
of what a network is for.

Source: https://flatbuffers.dev/internals (layout of a buffer);
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs (numbers of
fields, operators and tensor types).
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 2: np.dtype("<i4")}
FILE_IDENTIFIER = b"TFL3"


class FlatTable:
    """A table of a flatbuffer: fields by their number in the schema."""

    def __init__(self, content: bytes, position: int) -> None:
        """Open a table.

        Args:
            content: The whole buffer.
            position: Where the table begins.
        """
        self._content, self._position = content, position
        self._fields = position - self._unpack("<i", position)
        self._fields_end = self._fields + self._unpack("<H", self._fields)

    @classmethod
    def root(cls, content: bytes) -> "FlatTable":
        """Open the table that a buffer holds."""
        return cls(content, struct.unpack_from("<I", content, 0)[0])

    def number(self, field: int, kind: str = "i", default: int = 0) -> int:
        """Return an integer, of struct's kind (b, i or I); the default where it was not written."""
        place = self._place(field)
        return default if place is None else self._unpack("<" + kind, place)

    def table(self, field: int) -> "FlatTable | None":
        """Return a table, or None where it was not written."""
        place = self._place(field)
        return None if place is None else self._follow(place)

    def tables(self, field: int) -> list["FlatTable"]:
        """Return a vector of tables."""
        start, count = self._vector(field)
        return [self._follow(start + 4 * index) for index in range(count)]

    def integers(self, field: int) -> list[int]:
        """Return a vector of int32."""
        start, count = self._vector(field)
        return list(struct.unpack_from(f"<{count}i", self._content, start))

    def bytes(self, field: int) -> bytes:
        """Return a vector of bytes."""
        start, count = self._vector(field)
        return self._content[start : start + count]

    def _place(self, field: int) -> int | None:
        slot = self._fields + 4 + 2 * field
        offset = self._unpack("<H", slot) if slot < self._fields_end else 0
        return self._position + offset if offset else None

    def _follow(self, place: int) -> "FlatTable":
        return FlatTable(self._content, place + self._unpack("<I", place))

    def _vector(self, field: int) -> tuple[int, int]:
        place = self._place(field)
        if place is None:
            return 0, 0
        start = place + self._unpack("<I", place)
        return start + 4, self._unpack("<I", start)

    def _unpack(self, kind: str, place: int) -> int:
        return int(struct.unpack_from(kind, self._content, place)[0])


def network_to_onnx(
    content: bytes, input_name: str, outputs: Mapping[int, tuple[str, tuple[int, ...]]]
) -> onnx.ModelProto:
    """Translate a network of one image input.

    PReLU becomes two 1x1 convolutions in depth, a x + (1 - a) max(x, 0): ONNX Runtime's own leaves the blocked layout
    of the convolutions and takes more than half of a small network's time. Half-precision weights become float32.

    Args:
        content: The .tflite file.
        input_name: Name of the input, Nx3xHxW.
        outputs: Number of an output in the file to its name and the shape of one sample; others are left out.

    Returns:
        A checked ONNX model of any batch.

    Raises:
        ValueError: The file is not TFLite, or has an operator, a dtype or an option that is not known here.
    """
    if content[4:8] != FILE_IDENTIFIER:
        raise ValueError("this is no TFLite file")
    return _Translator(FlatTable.root(content)).translate(input_name, outputs)


class _Translator:
    """Builds the ONNX graph operator by operator; the value of tensor 7 is called t7."""

    def __init__(self, model: FlatTable) -> None:
        codes = [max(code.number(0, "b"), code.number(3)) for code in model.tables(1)]
        (graph,) = model.tables(2)
        buffers = model.tables(4)
        self._tensors = graph.tables(0)
        self._inputs, self._outputs = graph.integers(1), graph.integers(2)
        self._operators = [(codes[one.number(0, "I")], one) for one in graph.tables(3)]
        self._weights: dict[int, npt.NDArray[Any]] = {}
        for index, tensor in enumerate(self._tensors):
            stored = buffers[tensor.number(2, "I")].bytes(0)
            if stored:
                kind = tensor.number(1, "b")
                if kind not in DTYPES:
                    raise ValueError(f"tensor {index} has the type {kind}, which is not known")
                self._weights[index] = np.frombuffer(stored, DTYPES[kind]).reshape(tensor.integers(0))
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._handlers: dict[int, Callable[[FlatTable, str, str], None]] = {
            0: self._add,
            3: self._convolution,
            4: self._depthwise_convolution,
            6: self._dequantize,
            14: lambda operator, value, output: self._emit("Sigmoid", [value], output),
            17: self._max_pool,
            22: lambda operator, value, output: self._reshape(value, output, (-1,)),
            34: self._pad,
            54: self._prelu,
        }

    def translate(self, input_name: str, outputs: Mapping[int, tuple[str, tuple[int, ...]]]) -> onnx.ModelProto:
        for code, operator in self._operators:
            if code not in self._handlers:
                raise ValueError(f"operator {code} is not known")
            value, output = (f"t{operator.integers(field)[0]}" for field in (1, 2))
            self._handlers[code](operator, value, output)
        (source,) = self._inputs
        _, height, width, channels = self._tensors[source].integers(0)
        self._nodes.insert(0, helper.make_node("Identity", [input_name], [f"t{source}"]))
        results = []
        for index, (name, shape) in outputs.items():
            self._reshape(f"t{self._outputs[index]}", name, shape)
            results.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]))
        nodes, needed = _nodes_behind({info.name for info in results}, self._nodes)
        inputs = [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", channels, height, width])]
        weights = [weight for weight in self._initializers if weight.name in needed]
        graph = helper.make_graph(nodes, "tflite", inputs, results, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="talkmill")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model

    def _emit(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def _constant(self, name: str, array: npt.NDArray[Any]) -> str:
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _weight(self, operator: FlatTable, position: int) -> npt.NDArray[Any]:
        """A constant input of an operator, as float32."""
        return self._weights[operator.integers(1)[position]].astype(np.float32)

    def _dequantize(self, operator: FlatTable, value: str, output: str) -> None:
        self._weights[operator.integers(2)[0]] = self._weights[operator.integers(1)[0]]

    def _add(self, operator: FlatTable, value: str, output: str) -> None:
        _check_no_activation(operator, 0)
        self._emit("Add", [f"t{index}" for index in operator.integers(1)], output)

    def _convolution(self, operator: FlatTable, value: str, output: str) -> None:
        kernel = self._weight(operator, 1).transpose(0, 3, 1, 2)
        self._convolve(operator, value, output, kernel, 1, activation=3, dilation=4)

    def _depthwise_convolution(self, operator: FlatTable, value: str, output: str) -> None:
        multiplier = _options(operator).number(3)
        if multiplier != 1:
            raise ValueError(f"{output} has a depth multiplier of {multiplier}; 1 was expected")
        kernel = self._weight(operator, 1).transpose(3, 0, 1, 2)
        self._convolve(operator, value, output, kernel, len(kernel), activation=4, dilation=5)

    def _convolve(
        self,
        operator: FlatTable,
        value: str,
        output: str,
        kernel: npt.NDArray[Any],
        group: int,
        activation: int,
        dilation: int,
    ) -> None:
        _check_no_activation(operator, activation)
        options = _options(operator)
        attributes = {
            "auto_pad": _padding(options),
            "strides": [options.number(2), options.number(1)],
            "dilations": [options.number(dilation + 1, default=1), options.number(dilation, default=1)],
            "group": group,
        }
        bias = self._constant(output + "/bias", self._weight(operator, 2))
        self._emit("Conv", [value, self._constant(output + "/kernel", kernel), bias], output, **attributes)

    def _prelu(self, operator: FlatTable, value: str, output: str) -> None:
        slope = self._weight(operator, 1).reshape(-1, 1, 1, 1)
        positive, scaled, rest = output + "/positive", output + "/scaled", output + "/rest"
        self._emit("Relu", [value], positive)
        for source, target, gain in ((value, scaled, slope), (positive, rest, 1 - slope)):
            self._emit("Conv", [source, self._constant(target + "/kernel", gain)], target, group=len(slope))
        self._emit("Add", [scaled, rest], output)

    def _max_pool(self, operator: FlatTable, value: str, output: str) -> None:
        _check_no_activation(operator, 5)
        options = _options(operator)
        strides, kernel = ([options.number(field + 1), options.number(field)] for field in (1, 3))
        self._emit("MaxPool", [value], output, auto_pad=_padding(options), strides=strides, kernel_shape=kernel)

    def _pad(self, operator: FlatTable, value: str, output: str) -> None:
        amounts = self._weights[operator.integers(1)[1]][[0, 3, 1, 2]].astype(np.int64)
        self._emit("Pad", [value, self._constant(output + "/amounts", amounts.T.reshape(-1))], output)

    def _reshape(self, value: str, output: str, shape: tuple[int, ...]) -> None:
        # The order of the elements is the same in NHWC and NCHW where height and width are 1, as before a flattening.
        self._emit("Reshape", [value, self._constant(output + "/shape", np.array([0, *shape], np.int64))], output)


def _options(operator: FlatTable) -> FlatTable:
    options = operator.table(4)
    if options is None:
        raise ValueError("an operator has no options")
    return options


def _padding(options: FlatTable) -> str:
    return ("SAME_UPPER", "VALID")[options.number(0, "b")]


def _check_no_activation(operator: FlatTable, field: int) -> None:
    options = operator.table(4)
    if options is not None and options.number(field, "b"):
        raise ValueError("an operator has a fused activation, which is not known")


def _nodes_behind(outputs: set[str], nodes: list[onnx.NodeProto]) -> tuple[list[onnx.NodeProto], set[str]]:
    """Return the nodes that some values need, in order, and the names of all that they read."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    return kept[::-1], needed
