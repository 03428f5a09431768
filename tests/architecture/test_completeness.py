"""Every stage of the registry has all that a stage has, and nothing else has."""

import ast
import importlib
import re
from pathlib import Path

import grpc
import pytest

from services.registry import STAGES
from talkmill.models.catalogue import catalogue
from talkmill.stage.errors import error_kinds
from tests.architecture.docs_links import broken_links

ROOT = Path(__file__).parents[2]
NAMES = [entry.name for entry in STAGES]
SOURCES = sorted(
    path
    for folder in ("talkmill", "services", "orchestrator", "deploy")
    for path in (ROOT / folder).rglob("*.py")
    if not path.is_relative_to(ROOT / "talkmill/api")  # generated
)


def test_each_stage_has_a_folder_and_a_page() -> None:
    folders = {path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists()}
    pages = {path.stem for path in (ROOT / "docs/stages").glob("*.md")}
    assert folders == pages == set(NAMES)
    readme = (ROOT / "README.md").read_text()
    assert all(f"| {name} |" in readme for name in NAMES)


def test_each_stage_is_served() -> None:
    protos = {path.name for path in (ROOT / "protos/talkmill/api").iterdir()}
    assert protos == {*NAMES, "common", "pipeline"}
    for name in NAMES:
        module = importlib.import_module(f"services.{name}.service")
        assert module.METHOD.stage == name
        assert module.METHOD.service.startswith(f"talkmill.api.{name}.v1.")
        files = {path.name for path in (ROOT / "services" / name).glob("*.py")}
        assert {"messages.py", "stage.py", "service.py", "__main__.py"} <= files


def test_each_rpc_lists_errors_of_the_table() -> None:
    """What a proto promises to raise is in the table, with that code."""
    kinds = error_kinds()
    for path in (ROOT / "protos").rglob("*.proto"):
        for code, reasons in re.findall(r"// - ([A-Z_]+) ([A-Z_]+(?:, [A-Z_]+)*)[:,]", path.read_text()):
            for reason in reasons.split(", "):
                if reason in kinds:
                    assert kinds[reason].code == code, (path.name, reason)
                else:
                    assert reason in code_names(), (path.name, reason)


def code_names() -> set[str]:
    return {code.name for code in grpc.StatusCode}


@pytest.mark.parametrize("entry", STAGES, ids=NAMES)
def test_each_import_string_leads_to_the_stage(entry: object) -> None:
    module, _, name = entry.stage.partition(":")
    stage = getattr(importlib.import_module(module), name)
    assert stage.name == entry.name
    assert stage.version
    assert set(entry.needs) <= set(NAMES[: NAMES.index(entry.name)])


def test_every_error_and_every_model_is_documented() -> None:
    errors, models = (ROOT / "docs/errors.md").read_text(), (ROOT / "docs/models.md").read_text()
    assert all(f"| {reason} |" in errors for reason in error_kinds())
    assert all(f"| {model} |" in models for model in catalogue())


def test_no_link_is_broken() -> None:
    assert broken_links() == []


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("yt_dlp", "services/download/"),
        ("torch", ("talkmill/models/export/", "talkmill/fitting/", "services/fine_fit/", "orchestrator/bench/")),
        ("lmdb", "talkmill/dataset/"),
        ("onnxruntime", ""),
    ],
)
def test_heavy_packages_stay_where_they_belong(package: str, allowed: str | tuple[str, ...]) -> None:
    users = [str(path.relative_to(ROOT)) for path in SOURCES if package in imports(path)]
    if package == "onnxruntime":
        assert all(user.startswith(("talkmill/inference/", "orchestrator/doctor")) for user in users)
    else:
        assert all(user.startswith(allowed) for user in users)


def test_only_settings_read_the_environment() -> None:
    # The scripts of deploy/ are their own composition: they read FOLDER and the like where they begin.
    readers = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if not path.is_relative_to(ROOT / "deploy")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert {Path(reader).name for reader in readers} <= {"settings.py"}


def test_no_file_is_too_long_to_find_a_line_in() -> None:
    long = {
        str(path.relative_to(ROOT)): count for path in SOURCES if (count := len(path.read_text().splitlines())) > 480
    }
    assert long == {}


def test_no_folder_is_without_a_name() -> None:
    nameless = {"utils", "common", "helpers", "core", "misc"}
    assert not [path for path in SOURCES if nameless & set(path.with_suffix("").parts)]
