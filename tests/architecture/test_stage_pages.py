"""A stage's page names every field of its inputs and parameters; the page of services names every setting."""

import dataclasses
import importlib
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from orchestrator.settings import OrchestratorSettings
from services.process import process_of
from talkmill.client.settings import ClientSettings
from talkmill.pipeline.graph import GRAPH, Node

DOCS = Path(__file__).parents[2] / "docs"
# Every stage has them.
COMMON = {"parameters", "measurements", "notes"}


@pytest.mark.parametrize("node", GRAPH, ids=[node.name for node in GRAPH])
def test_a_page_names_every_field(node: Node) -> None:
    page = (DOCS / f"stages/{node.name}.md").read_text()
    messages = importlib.import_module(f"talkmill.stages.{node.name}.messages")
    parameters = next(
        kind for name, kind in vars(messages).items() if name.endswith("Parameters") and name != "FitPriors"
    )
    names = {one.name for kind in (parameters, node.inputs) for one in dataclasses.fields(kind)} - COMMON
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def variables(kind: type[BaseModel], prefix: str) -> list[str]:
    found = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += variables(inner, f"{prefix}{name.upper()}__")
        else:
            found.append(f"{prefix}{name.upper()}")
    return found


def settings_kinds() -> list[type[BaseSettings]]:
    return [*(process_of(node.name).SETTINGS for node in GRAPH), OrchestratorSettings, ClientSettings]


@pytest.mark.parametrize("kind", sorted(set(settings_kinds()), key=lambda kind: kind.__name__))
def test_the_settings_page_names_every_setting(kind: type[BaseSettings]) -> None:
    page = (DOCS / "services.md").read_text()
    # Dataclasses inside settings: the page shows their fields by hand.
    ours = [name for name in variables(kind, "TALKMILL_") if name not in ("TALKMILL_LIMITS", "TALKMILL_STAGE_TLS")]
    assert [name for name in ours if f"`{name}`" not in page] == []
