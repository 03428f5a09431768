"""What the ledger keeps as JSON in its columns, and the types that it is read as."""

from typing import Any

from pydantic import TypeAdapter

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
