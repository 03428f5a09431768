"""Every stage of the graph has all that a stage has, and nothing else has."""

import ast
import dataclasses
import importlib
import itertools
import re
from pathlib import Path

import grpc
import pytest

from services.process import process_of
from services.settings import StageServerSettings
from talkmill.cli.doctor import UPDATE_DOWNLOADER
from talkmill.models.catalogue import catalogue
from talkmill.pipeline.graph import GRAPH, KINDS, ClipProgress, Node, RunParameters, after, node_of, nodes_of
from talkmill.pipeline.kinds import ALL_KINDS
from talkmill.stages.coarse_fit.messages import CoarseFitParameters
from talkmill.stages.errors import error_kinds
from talkmill.wire.methods import method_of
from tests.architecture.docs_links import broken_links

ROOT = Path(__file__).parents[2]
NAMES = [entry.name for entry in GRAPH]
SOURCES = sorted(
    path
    for folder in ("talkmill", "services", "orchestrator", "deploy")
    for path in (ROOT / folder).rglob("*.py")
    if not path.is_relative_to(ROOT / "talkmill/api")  # generated
)


def folders_of(place: str) -> set[str]:
    return {path.name for path in (ROOT / place).iterdir() if (path / "__init__.py").exists()}


def test_doctor_and_its_page_name_one_command() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    (row,) = re.findall(r"^\| FORMAT_MISSING \|.*$", page, re.MULTILINE)
    assert re.findall(r"`(pip [^`]*)`", row) == [UPDATE_DOWNLOADER]


def test_each_stage_has_a_folder_and_a_page() -> None:
    pages = {path.stem for path in (ROOT / "docs/stages").glob("*.md")}
    assert folders_of("services") == folders_of("talkmill/stages") == pages == set(NAMES)
    readme = (ROOT / "README.md").read_text()
    assert all(f"| {name} |" in readme for name in NAMES)


def test_each_stage_is_served() -> None:
    protos = {path.name for path in (ROOT / "protos/talkmill/api").iterdir()}
    assert protos == {*NAMES, "common", "pipeline"}
    for name in NAMES:
        assert method_of(node_of(name)).service.startswith(f"talkmill.api.{name}.v1.")
        process = process_of(name)
        assert issubclass(process.SETTINGS, StageServerSettings)
        assert callable(process.build)
        files = {path.name for path in (ROOT / "talkmill/stages" / name).glob("*.py")}
        assert {"messages.py", "stage.py"} <= files


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


def test_the_graph_is_whole() -> None:
    """Stages read what stages before them made, of their own scope or of a wider one; a clip's shares add up to 1."""
    scopes = ("source", "clip", "run")
    assert [node.scope for node in GRAPH] == sorted((node.scope for node in GRAPH), key=scopes.index)
    for position, node in enumerate(GRAPH):
        assert {*node.needs, *node.uses} <= set(NAMES[:position])
        assert not {*node.needs} & {*node.uses}
        assert node_of(node.name) is node
        assert sum(one.outputs is node.outputs for one in GRAPH) == 1
    assert [node.name for node in GRAPH if after(node) is None] == ["split", "fine_fit", "pack"]
    assert len(nodes_of("run")) == 1, "the ledger ends a run after its one stage"
    assert sum(node.share for node in nodes_of("clip")) == pytest.approx(1)
    assert {field.name for field in dataclasses.fields(RunParameters)} == {*NAMES} - {"pack"} | {"kinds"}
    assert sorted(one.kind for one in KINDS) == sorted(ALL_KINDS)


class Anything:
    """Stands for outputs: whatever is asked of it is there."""

    def __getattr__(self, name: str) -> str:
        return name


@pytest.mark.parametrize("node", nodes_of("clip"), ids=lambda node: node.name)
@pytest.mark.parametrize("coarse", ["landmark-fit", "deep3d-resnet50"])
@pytest.mark.parametrize("used", [True, False])
def test_a_clips_stage_reads_what_it_says_and_no_outputs_of_the_source(node: Node, used: bool, coarse: str) -> None:
    """The orchestrator gives it no more than the clip and the outputs of the clip's stages."""
    read = (*node.needs, *node.uses) if used else node.needs
    own = {name: Anything() for name in read if node_of(name).scope == "clip"}
    parameters = RunParameters(coarse_fit=CoarseFitParameters(coarse))
    request = node.request(ClipProgress(Anything(), own), parameters)
    assert isinstance(request, node.inputs)


@pytest.mark.parametrize("node", GRAPH, ids=NAMES)
def test_each_stage_is_the_one_that_its_node_describes(node: Node) -> None:
    module = importlib.import_module(f"talkmill.stages.{node.name}.stage")
    kinds = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    stages = [kind for kind in kinds if getattr(kind, "name", None) == node.name]
    assert stages
    assert all(kind.version for kind in stages)
    assert any(kind.outputs_type is node.outputs for kind in stages)


# Where a word that is the name of a stage is something else, or a stage is meant and nothing else can be.
OTHER_WORDS = {
    "talkmill/cli/dataset.py": "split: the list that a clip is in",
    "talkmill/cli/hdtf.py": "landmarks: the role of a model",
    "talkmill/pipeline/plan.py": "split, crop: columns of the table",
    "talkmill/hdtf/": "split, crop, download: columns of a plan and a pause of its own",
    "talkmill/layouts/": "split, matting: folders of a layout; landmarks: a kind of file",
    "talkmill/models/": "landmarks, matting: roles of models; download, pack: commands of registries",
    "talkmill/morphable/": "landmarks: a key of a file",
    "talkmill/artifacts/s3.py": "download: a direction",
    "talkmill/telemetry/metrics.py": "download: a direction",
    "talkmill/pipeline/kinds.py": "landmarks: a kind of file",
    "talkmill/pipeline/composition.py": "landmarks, matting: roles of models",
    "talkmill/pipeline/report.py": "split, pack: fields of report.json",
    "talkmill/dataset/reader.py": "fine_fit: versions that sets of 0.1 hold",
    "talkmill/video/picture.py": "crop: a filter of FFmpeg",
    "deploy/local/sizing.py": "crop: the stage whose frames are counted; download: a direction",
    "deploy/grafana/build.py": "landmarks: the last stage that every clip goes through",
}


def test_only_the_graph_knows_the_stages() -> None:
    """No other list of stages and no order: whoever walks the pipeline walks the graph."""
    found = []
    for path in SOURCES:
        place = str(path.relative_to(ROOT))
        if place == "talkmill/pipeline/graph.py" or place.startswith(tuple(OTHER_WORDS)):
            continue
        own = path.parent.name if path.parent.parent.name in ("stages", "services") else None
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in NAMES and node.value != own:
                found.append(f"{place}:{node.lineno}: {node.value}")
    assert found == []


def test_every_error_and_every_model_is_documented() -> None:
    errors, models = (ROOT / "docs/errors.md").read_text(), (ROOT / "docs/models.md").read_text()
    assert all(f"| {reason} |" in errors for reason in error_kinds())
    assert all(f"| {model} |" in models for model in catalogue())


def test_every_page_is_on_the_site() -> None:
    """`make docs` refuses a page that mkdocs.yml does not name; this says so without mkdocs."""
    named = set(re.findall(r"^ *- (?:.*: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert pages - named == set()


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
        ("yt_dlp", "talkmill/stages/download/"),
        ("torch", ("talkmill/models/export/", "benchmarks/")),
        ("lmdb", "talkmill/dataset/"),
        ("onnxruntime", ""),
    ],
)
def test_heavy_packages_stay_where_they_belong(package: str, allowed: str | tuple[str, ...]) -> None:
    users = [str(path.relative_to(ROOT)) for path in SOURCES if package in imports(path)]
    if package == "onnxruntime":
        assert all(user.startswith(("talkmill/inference/", "talkmill/cli/doctor")) for user in users)
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
    assert set(readers) == {"talkmill/environment.py", "services/download/settings.py"}


def test_no_file_is_too_long_to_find_a_line_in() -> None:
    long = {
        str(path.relative_to(ROOT)): count for path in SOURCES if (count := len(path.read_text().splitlines())) > 480
    }
    assert long == {}


def test_no_folder_is_without_a_name() -> None:
    nameless = {"utils", "common", "helpers", "core", "misc"}
    assert not [path for path in SOURCES if nameless & set(path.with_suffix("").parts)]


def started_modules(path: Path) -> set[str]:
    """Modules that a file starts: what follows "-m" in a literal."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        words = [one.value for one in getattr(node, "elts", ()) if isinstance(one, ast.Constant)]
        found |= {module for flag, module in itertools.pairwise(words) if flag == "-m" and isinstance(module, str)}
    return found


def test_what_is_started_by_its_name_is_there_and_does_something() -> None:
    folders = ("deploy", "tests", "talkmill", "benchmarks", "orchestrator", "services")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    started = {name for path in files for name in started_modules(path)}
    names = {
        name
        for name in started
        if name.split(".")[0] in ("talkmill", "services", "orchestrator", "benchmarks", "deploy", "tests")
    }
    assert names >= {"orchestrator", "services", "benchmarks", "talkmill"}
    for name in names:
        module = ROOT / name.replace(".", "/")
        file = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
        assert file.is_file(), name
        assert '__name__ == "__main__"' in file.read_text(), f"python -m {name} does nothing"
