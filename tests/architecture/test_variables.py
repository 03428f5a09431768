"""The list of variables is that of the settings of all processes, and each is documented."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orchestrator.settings import OrchestratorSettings, StoreRolesSettings
from services.process import process_of
from services.settings import ModelFetchSettings
from talkmill.client.settings import ClientSettings
from talkmill.pipeline.graph import names_of
from talkmill.pipeline.settings import Settings
from talkmill.serving.variables import VARIABLES, unknown_variables

ROOT = Path(__file__).parents[2]


def variables(kind: Any, prefix: str) -> Iterator[str]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {name: field.annotation for name, field in kind.model_fields.items()}
    elif dataclasses.is_dataclass(kind):
        fields = {field.name: field.type for field in dataclasses.fields(kind)}
    else:
        return
    for name, inner in fields.items():
        yield f"{prefix}{name.upper()}"
        yield from variables(inner, f"{prefix}{name.upper()}__")


def test_every_variable_of_a_process_is_known() -> None:
    kinds = [OrchestratorSettings, StoreRolesSettings, ModelFetchSettings, ClientSettings, Settings]
    kinds += [process_of(stage).SETTINGS for stage in names_of()]
    assert {name for kind in kinds for name in variables(kind, "TALKMILL_")} == VARIABLES


def test_every_variable_is_in_the_docs() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    # A section may be set as a whole, in JSON; its parts are what is documented.
    sections = {name.rpartition("__")[0] for name in VARIABLES}
    assert [name for name in VARIABLES - sections if f"`{name}`" not in pages] == []


def test_what_is_misspelt_is_told_with_what_was_meant() -> None:
    assert unknown_variables(VARIABLES) == {}
    given = ["TALKMILL_SLOT", "TALKMILL_STORE__ENDPONT", "TALKMILL_TOKEN_FILE", "TALKMILL_COLOUR", "TALKMILL_TEST_X"]
    assert unknown_variables(given) == {
        "TALKMILL_SLOT": "TALKMILL_SLOTS",
        "TALKMILL_STORE__ENDPONT": "TALKMILL_STORE__ENDPOINT",
        "TALKMILL_TOKEN_FILE": "TALKMILL_TOKENS_FILE",
        "TALKMILL_COLOUR": "",
    }
