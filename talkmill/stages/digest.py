"""The action digest: what is asked of a stage, and by which kind of arithmetic its networks run.

Equal digests mean equal results, but for the last bits in which two processors of one kind may differ.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from talkmill.artifacts.manifest import ModelVersion

# An artifact is what it holds: where it lies is not part of the action.
_LOCATION_FIELDS = {"bucket", "key", "sha256", "size_bytes", "media_type"}


def to_json(value: object) -> dict[str, Any]:
    """Return a frozen dataclass as plain JSON values."""
    result: dict[str, Any] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return result


def action_digest(
    stage: str, version: str, models: Sequence[ModelVersion], inputs: object, arithmetic: str = ""
) -> str:
    """Digest what is asked of a stage.

    Args:
        stage: Stage name.
        version: Version that the stage declares.
        models: Models that decide the numbers.
        inputs: The request: a frozen dataclass of artifacts and parameters, defaults filled in.
        arithmetic: Kind of arithmetic that runs the networks; empty where there are none.

    Returns:
        Hex sha256 over canonical JSON.
    """
    action = {
        "stage": stage,
        "version": version,
        "models": sorted((model.id, model.sha256) for model in models),
        "inputs": _without_locations(to_json(inputs)),
    }
    if arithmetic:
        action["arithmetic"] = arithmetic
    canonical = json.dumps(action, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _without_locations(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == _LOCATION_FIELDS:
            return {"sha256": value["sha256"], "size_bytes": value["size_bytes"]}
        return {key: _without_locations(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_locations(item) for item in value]
    return value
