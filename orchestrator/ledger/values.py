"""What the ledger keeps as JSON in its columns, and the types that it is read as."""

from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from talkmill.address import shown_address
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import StageRecord
from talkmill.pipeline.graph import GRAPH, RunParameters
from talkmill.pipeline.naming import NamedSource
from talkmill.stages.split.messages import CutClip

PARAMETERS = TypeAdapter(RunParameters)
SOURCE = TypeAdapter(NamedSource)
CLIP = TypeAdapter(CutClip)
RECORD = TypeAdapter(StageRecord)
ARTIFACT = TypeAdapter(Artifact)
# Stage to its outputs.
OUTPUTS: dict[str, TypeAdapter[Any]] = {node.name: TypeAdapter(node.outputs) for node in GRAPH}

# What is in the place of an address that was erased.
ERASED = ""


def source_columns(source: NamedSource) -> dict[str, str | None]:
    """Return what a row holds of a source: the whole address lies apart, where it can be erased."""
    if not source.address_sha256:
        return {"given": SOURCE.dump_json(source).decode(), "address": None}
    shown = shown_address(source.uri)
    given = SOURCE.dump_json(replace(source, uri=shown)).decode()
    return {"given": given, "address": None if shown == source.uri else source.uri}


def source_of(given: str, address: str | None) -> NamedSource:
    """Return the source of a row; its `uri` is empty where the address was erased."""
    source = SOURCE.validate_json(given)
    return source if address is None else replace(source, uri=address)
