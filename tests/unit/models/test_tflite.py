"""TFLite files to ONNX: small files are written by the flatbuffers package, and their networks computed by NumPy."""

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import onnxruntime as ort
import pytest

from talkmill.models.export.tflite import FlatTable, network_to_onnx

FLOAT32, FLOAT16, INT32 = 0, 1, 2
CONV, DEQUANTIZE, MAX_POOL, RESHAPE, PAD, PRELU, SOFTMAX = 3, 6, 17, 22, 34, 54, 25
NUMPY = {FLOAT32: "<f4", FLOAT16: "<f2", INT32: "<i4"}


class Writer:
    """Writes tables by the numbers of their fields: lists are vectors, bytes too, dictionaries are tables."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def file(self, root: Mapping[int, Any]) -> bytes:
        self._builder.Finish(self._table(root), b"TFL3")
        return bytes(self._builder.Output())

    def _table(self, fields: Mapping[int, Any]) -> int:
        offsets = {slot: self._offset(value) for slot, value in fields.items() if not isinstance(value, int)}
        self._builder.StartObject(max(fields, default=-1) + 1)
        for slot, value in fields.items():
            if slot in offsets:
                self._builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
            else:
                self._builder.PrependInt32Slot(slot, value, -(2**31))
        return int(self._builder.EndObject())

    def _offset(self, value: Any) -> int:
        if isinstance(value, Mapping):
            return self._table(value)
        if isinstance(value, bytes):
            return int(self._builder.CreateByteVector(value))
        if value and isinstance(value[0], Mapping):
            offsets = [self._table(one) for one in value]
            self._builder.StartVector(4, len(offsets), 4)
            for offset in reversed(offsets):
                self._builder.PrependUOffsetTRelative(offset)
            return int(self._builder.EndVector())
        self._builder.StartVector(4, len(value), 4)
        for number in reversed(value):
            self._builder.PrependInt32(number)
        return int(self._builder.EndVector())


def tflite(
    tensors: Sequence[tuple[list[int], int, np.ndarray | None]],
    operators: Sequence[tuple[int, list[int], list[int], dict[int, int]]],
    output: int,
) -> bytes:
    """A file whose input is tensor 0; operators are a code, inputs, outputs and options."""
    codes = sorted({code for code, *_ in operators})
    graph = {
        0: [{0: shape, 1: kind, 2: index} for index, (shape, kind, _) in enumerate(tensors)],
        1: [0],
        2: [output],
        3: [{0: codes.index(code), 1: ins, 2: outs, 4: options} for code, ins, outs, options in operators],
    }
    buffers = [{} if values is None else {0: values.astype(NUMPY[kind]).tobytes()} for _, kind, values in tensors]
    return Writer().file({0: 3, 1: [{0: code, 3: code} for code in codes], 2: [graph], 4: buffers})


def test_fields_of_a_table_are_found_by_their_number() -> None:
    table = FlatTable.root(Writer().file({1: 7, 3: [1, -2, 3], 4: {0: 5}, 5: b"xyz", 6: [{0: 1}, {0: 2}]}))
    assert table.number(1) == 7
    assert table.number(0, default=9) == 9
    assert table.number(40) == 0
    assert table.integers(3) == [1, -2, 3]
    inner = table.table(4)
    assert inner is not None and inner.number(0) == 5
    assert table.table(0) is None
    assert table.bytes(5) == b"xyz"
    assert [one.number(0) for one in table.tables(6)] == [1, 2]


def test_a_small_network_gives_what_numpy_gives() -> None:
    random = np.random.default_rng(0)
    # Weights that half precision holds exactly; slopes above 1 and below 0, as the face mesh has them.
    kernel = random.integers(-8, 8, (2, 3, 3, 1)) / 4
    bias, slope = np.array([0.5, -1.0]), np.array([[[2.5, -3.0]]])
    amounts = np.array([[0, 0], [0, 0], [0, 0], [0, 1]])
    tensors = [
        ([1, 4, 4, 1], FLOAT32, None),
        ([2, 3, 3, 1], FLOAT16, kernel),
        ([2, 3, 3, 1], FLOAT32, None),
        ([2], FLOAT32, bias),
        ([1, 4, 4, 2], FLOAT32, None),
        ([1, 1, 2], FLOAT32, slope),
        ([1, 4, 4, 2], FLOAT32, None),
        ([1, 1, 1, 2], FLOAT32, None),
        ([4, 2], INT32, amounts),
        ([1, 1, 1, 3], FLOAT32, None),
    ]
    operators = [
        (DEQUANTIZE, [1], [2], {}),
        (CONV, [0, 2, 3], [4], {0: 0, 1: 1, 2: 1}),
        (PRELU, [4, 5], [6], {}),
        (MAX_POOL, [6], [7], {0: 1, 1: 4, 2: 4, 3: 4, 4: 4}),
        (PAD, [7, 8], [9], {}),
    ]
    model = network_to_onnx(tflite(tensors, operators, 9), "image", {0: ("values", (3,))})
    images = random.uniform(-1, 1, (2, 1, 4, 4)).astype(np.float32)
    (found,) = ort.InferenceSession(model.SerializeToString()).run(None, {"image": images})
    for image, values in zip(images, found, strict=True):
        padded = np.pad(image[0].astype(np.float64), 1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
        convolved = np.einsum("yxij,cij->cyx", windows, kernel[..., 0]) + bias[:, None, None]
        activated = np.where(convolved > 0, convolved, slope[0, 0][:, None, None] * convolved)
        assert values == pytest.approx([*activated.max((1, 2)), 0], abs=1e-5)


def test_what_is_not_known_is_refused() -> None:
    tensors = [([1, 1, 1, 2], FLOAT32, None), ([1, 1, 1, 2], FLOAT32, None)]
    with pytest.raises(ValueError, match="operator 25 is not known"):
        network_to_onnx(tflite(tensors, [(SOFTMAX, [0], [1], {})], 1), "image", {0: ("values", (2,))})
    pool = (MAX_POOL, [0], [1], {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1})
    with pytest.raises(ValueError, match="fused activation"):
        network_to_onnx(tflite(tensors, [pool], 1), "image", {0: ("values", (2,))})
    with pytest.raises(ValueError, match="no TFLite file"):
        network_to_onnx(b"PK\3\4 something else", "image", {})
