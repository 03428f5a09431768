"""MediaPipe's face mesh of 478 points: out of its task bundle into ONNX, with the table of mirrored points.

Knows the members of the bundle and the two protobuf fields of the canonical mesh that are read.
Source: https://github.com/google-ai-edge/mediapipe, `face_geometry/protos/geometry_pipeline_metadata.proto` and
`mesh_3d.proto`.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt
import onnx

from talkmill.landmarks.mesh import IRISES, MIRROR_KEY, SURFACE_COUNT, VERTEX_COUNT
from talkmill.models.export import tflite

NETWORK_MEMBER = "face_landmarks_detector.tflite"
CANONICAL_MEMBER = "geometry_pipeline_metadata_landmarks.binarypb"
# Outputs of the file; the third, the tongue's, is left out.
OUTPUTS = {0: ("points", (VERTEX_COUNT, 3)), 1: ("presence", (1,))}
# GeometryPipelineMetadata.canonical_mesh, Mesh3d.vertex_buffer; x, y, z, u, v of each vertex.
CANONICAL_MESH_FIELD, VERTEX_BUFFER_FIELD, VALUES_OF_A_VERTEX = 1, 3, 5


def build(folder: Path, target: Path) -> None:
    """Make the ONNX file out of the bundle in a folder.

    Raises:
        ValueError: The bundle is not what was expected.
    """
    with ZipFile(next(folder.glob("*.task"))) as bundle:
        model = tflite.network_to_onnx(bundle.read(NETWORK_MEMBER), "image", OUTPUTS)
        canonical = canonical_mesh(bundle.read(CANONICAL_MEMBER))
    model.metadata_props.add(key=MIRROR_KEY, value=json.dumps(mirror_table(canonical).tolist()))
    onnx.save(model, str(target))


def canonical_mesh(content: bytes) -> npt.NDArray[np.float32]:
    """Read the canonical mesh out of a GeometryPipelineMetadata.

    Returns:
        (468, 3) float32 x to the subject's left, y up, z out of the face, in centimetres.

    Raises:
        ValueError: It does not hold that many vertices.
    """
    mesh = b"".join(value for field, value in _protobuf_fields(content) if field == CANONICAL_MESH_FIELD)
    # Written packed or one by one, the values are the same bytes.
    values = b"".join(value for field, value in _protobuf_fields(mesh) if field == VERTEX_BUFFER_FIELD)
    vertices = np.frombuffer(values, "<f4")
    if len(vertices) != SURFACE_COUNT * VALUES_OF_A_VERTEX:
        raise ValueError(f"the canonical mesh has {len(vertices)} values; {SURFACE_COUNT} vertices of 5 were expected")
    return np.asarray(vertices.reshape(SURFACE_COUNT, VALUES_OF_A_VERTEX)[:, :3], np.float32)


def mirror_table(canonical: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the vertex that a mirrored face has in the place of each.

    Args:
        canonical: (468, 3); the irises are not part of it.

    Returns:
        (478,) int64.

    Raises:
        ValueError: The mesh is not symmetric.
    """
    mirrored = canonical * np.array([-1, 1, 1], np.float32)
    surface = np.linalg.norm(mirrored[:, None] - canonical, axis=-1).argmin(1)
    # An iris: its middle, then the points to the face's left, above, to its right, below.
    right, left = (np.arange(part.start, part.stop) for part in IRISES)
    order = [0, 3, 2, 1, 4]
    table = np.concatenate([surface, left[order], right[order]])
    if (table[table] != np.arange(VERTEX_COUNT)).any():
        raise ValueError("the canonical mesh is not symmetric")
    return table


def _protobuf_fields(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and bytes of each field of a message; https://protobuf.dev/programming-guides/encoding."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        kind = key & 7
        if kind == 0:
            start, (_, position) = position, _varint(content, position)
        elif kind == 2:
            size, start = _varint(content, position)
            position = start + size
        elif kind in (1, 5):
            start, position = position, position + (8 if kind == 1 else struct.calcsize("<f"))
        else:
            raise ValueError(f"protobuf wire type {kind} is not known")
        yield key >> 3, content[start:position]


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
