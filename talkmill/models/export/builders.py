"""The table of builders: catalogue name to the function that makes the file that the pipeline loads."""

from collections.abc import Callable
from pathlib import Path

import onnx

from talkmill.models.export import face_api, face_mesh, ict, makehuman, tfjs


def _tfjs_graph(folder: Path, target: Path) -> None:
    onnx.save(tfjs.graph_to_onnx(next(folder.glob("*.json"))), str(target))


def _face_api_68(folder: Path, target: Path) -> None:
    onnx.save(face_api.landmark_net_to_onnx(next(folder.glob("*manifest.json"))), str(target))


def _face_api_embedding(folder: Path, target: Path) -> None:
    onnx.save(face_api.embedding_net_to_onnx(next(folder.glob("*manifest.json"))), str(target))


# Each takes the folder of downloaded files and the file to write.
BUILDERS: dict[str, Callable[[Path, Path], None]] = {
    "tfjs-graph": _tfjs_graph,
    "face-api-68": _face_api_68,
    "face-api-embedding": _face_api_embedding,
    "mediapipe-task": face_mesh.build,
    "makehuman-head": makehuman.build,
    "ict-light": ict.build,
}
