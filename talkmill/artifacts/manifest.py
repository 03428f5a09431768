"""The manifest: the commit mark of one stage execution. A result exists when its manifest does."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model that took part.

    Attributes:
        id: Catalogue id.
        sha256: Hex digest of the file that was loaded.
    """

    id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an input does not belong in a training set.

    Attributes:
        reason: Reason of the error table, UPPER_SNAKE.
        message: One line: what was found. What to do follows from the reason.
        measure: The measured value, or None.
        threshold: The bound that it broke, or None.
    """

    reason: str
    message: str
    measure: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One finished execution: outputs, or the rejection that it ended in.

    Attributes:
        schema_version: Version of this layout.
        stage: Stage name.
        stage_version: Version that the stage declares.
        action_digest: sha256 of what was asked for.
        inputs: The request, as JSON, with addresses as they may be shown.
        outputs: The outputs, as JSON; None when rejected.
        rejection: Why the input was refused; None when it was not.
        models: Models that took part.
        execution_provider: Provider that ran the networks, or empty.
        started_at: UTC, ISO 8601.
        fetch_seconds: Time to fetch and verify inputs.
        execute_seconds: Time in the stage.
        upload_seconds: Time to publish outputs.
        worker: Host and process.
    """

    schema_version: int
    stage: str
    stage_version: str
    action_digest: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None
    rejection: Rejection | None
    models: tuple[ModelVersion, ...]
    execution_provider: str
    started_at: str
    fetch_seconds: float
    execute_seconds: float
    upload_seconds: float
    worker: str


@dataclass(frozen=True, slots=True)
class StageRecord:
    """How one execution was made: what a manifest says beside inputs and outputs.

    Attributes:
        cached: Whether an earlier execution was found; the rest then describes that one.
        stage_version: Version that the stage declared.
        action_digest: sha256 of what was asked for.
        started_at: UTC, ISO 8601.
        fetch_seconds: Time to fetch and verify inputs.
        execute_seconds: Time in the stage.
        upload_seconds: Time to publish outputs.
        execution_provider: What ran the networks, or empty.
        worker: Host and process.
        models: Model id to sha256.
    """

    cached: bool
    stage_version: str
    action_digest: str
    started_at: str
    fetch_seconds: float
    execute_seconds: float
    upload_seconds: float
    execution_provider: str
    worker: str
    models: dict[str, str] = field(default_factory=dict)


_ADAPTER = TypeAdapter(Manifest)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as JSON."""
    return _ADAPTER.dump_json(manifest, indent=1)


def decode_manifest(content: bytes) -> Manifest:
    """Read a manifest; raises pydantic.ValidationError where the layout is another."""
    return _ADAPTER.validate_json(content)
