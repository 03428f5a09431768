"""What a stage's service is on the wire, for its server and for its clients."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class StageMethod:
    """The one method of a stage's service.

    Attributes:
        stage: Name in the registry.
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


def stage_method(stage: str, module: ModuleType, inputs: type[Any], outputs: type[Any]) -> StageMethod:
    """Bind the only method of a generated module to the dataclasses of a stage."""
    (service,) = module.DESCRIPTOR.services_by_name.values()
    (method,) = service.methods
    request, response = getattr(module, method.input_type.name), getattr(module, method.output_type.name)
    return StageMethod(stage, service.full_name, method.name, request, response, inputs, outputs)
