"""The RPC of each stage, for its server and its clients."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from google.protobuf.message import Message

from talkmill.pipeline.graph import GRAPH, Node


@dataclass(frozen=True, slots=True)
class StageMethod:
    """The one method of a stage's service.

    Attributes:
        stage: Its name.
        service: Full name of the service.
        method: Name of the method.
        request: Message of the request.
        response: Message of the stream.
        inputs: Dataclass of the request.
        outputs: Dataclass of the outputs.
    """

    stage: str
    service: str
    method: str
    request: type[Message]
    response: type[Message]
    inputs: type[Any]
    outputs: type[Any]

    @property
    def path(self) -> str:
        """Path of the method on the wire."""
        return f"/{self.service}/{self.method}"


def method_of(node: Node) -> StageMethod:
    """Bind the only method of a stage's generated module to its dataclasses."""
    module = import_module(f"talkmill.api.{node.name}.v1.{node.name}_pb2")
    (service,) = module.DESCRIPTOR.services_by_name.values()
    (method,) = service.methods
    request, response = getattr(module, method.input_type.name), getattr(module, method.output_type.name)
    return StageMethod(node.name, service.full_name, method.name, request, response, node.inputs, node.outputs)


def stage_methods() -> dict[str, StageMethod]:
    """Return the method of every stage."""
    return {node.name: method_of(node) for node in GRAPH}
