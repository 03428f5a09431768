"""docker-bake.hcl, the Dockerfile and the groups of packages, against the registry and against what is imported."""

import json
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import grimp
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.images import base_images, images
from talkmill.pipeline.graph import GRAPH
from tests.helm.chart import containers, objects, pods

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN = ("talkmill", "services", "orchestrator")
# Program to the modules that it begins with.
ENTRY = {
    **{entry.name: ("services.__main__", f"services.{entry.name}.process") for entry in GRAPH},
    "orchestrator": ("orchestrator.__main__", "orchestrator.store_roles"),
    "model_fetch": ("services.model_fetch",),
    "smoke": ("talkmill.smoke",),
}
# Imported where a setting or a command asks for it alone, and refused with a clear error where it is not installed: 180
# MB, several gigabytes with CUDA, 50 MB.
OPTIONAL = {"openvino", "torch", "pyarrow"}
# In every image, because an operator turns it on by a variable; an extra for clients.
OF_SERVERS = {"opentelemetry"}
# Needed without an import: by a name in a URL, as a program, as a plug-in, as a file that is loaded by its path, or as the
# code that was generated.
NOT_IMPORTED = {"psycopg", "pip", "googleapis-common-protos", "protobuf", "grpcio-status", "pymatting"}
ONNX_RUNTIME = {"onnxruntime"}
# Groups of packages that no image installs.
DEVELOPERS = {"dev", "servers", "bake", "lock", "local", "bench", "test", "check", "docs"}


def normal(name: str) -> str:
    return str(canonicalize_name(name))


def group(name: str) -> set[str]:
    found: set[str] = set()
    for item in PROJECT["dependency-groups"][name]:
        found |= group(item["include-group"]) if isinstance(item, dict) else {normal(Requirement(item).name)}
    return found


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*OWN, include_external_packages=True, exclude_type_checking_imports=True)


def imported(graph: grimp.ImportGraph, entry: tuple[str, ...]) -> set[str]:
    """Top-level packages that a process may import, directly or through what it imports."""
    seen: set[str] = set()
    waiting = list(entry)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if module.split(".")[0] in OWN:
            waiting += graph.find_modules_directly_imported_by(module)
            waiting += [module.rpartition(".")[0]] if "." in module else []
    return {module.split(".")[0] for module in seen} - set(OWN) - sys.stdlib_module_names


def test_each_image_is_that_of_a_stage_or_of_a_known_program() -> None:
    cpu = [image for image in images() if image.extra != "cuda"]
    assert sorted(image.stage for image in cpu) == sorted(ENTRY)
    with_networks = {entry.name for entry in GRAPH if entry.gpu}
    assert {image.stage for image in cpu if image.extra == "cpu"} == with_networks
    assert {image.stage for image in images() if image.extra == "cuda"} == with_networks


@pytest.mark.parametrize("name", sorted(ENTRY))
def test_an_image_installs_what_its_process_imports_and_nothing_else(graph: grimp.ImportGraph, name: str) -> None:
    extra = next(image.extra for image in images() if image.stage == name and image.extra != "cuda")
    installed = group(name) | group(extra)
    by_package = packages_distributions()
    needed = set()
    for package in imported(graph, ENTRY[name]) - OPTIONAL:
        distributions = {normal(one) for one in by_package[package]}
        assert distributions & installed, f"{name} imports {package}, which its image does not install"
        needed |= distributions & installed
    assert installed - needed - group("serving") <= NOT_IMPORTED


def test_groups_of_images_name_what_the_project_has() -> None:
    """Ranges stand once: with the library, in its extras, or in the groups of developers; images name packages alone."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    known = {normal(Requirement(text).name) for text in project["dependencies"]}
    known |= {normal(Requirement(text).name) for extra in project["optional-dependencies"].values() for text in extra}
    known |= {name for one in DEVELOPERS for name in group(one)}
    of_images = set(groups) - DEVELOPERS
    assert of_images >= set(ENTRY)
    # Its version comes with that of ONNX Runtime.
    # dumb-init is a program of containers, and no machine of a developer needs it.
    assert set().union(*(group(name) for name in of_images)) - known <= {"pip", "tensorrt-cu13-libs", "dumb-init"}
    bare = [item for name in of_images for item in groups[name] if isinstance(item, str)]
    assert all(not Requirement(text).specifier for text in bare)
    pinned = {
        normal(Requirement(line).name) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    assert set().union(*(group(name) for name in groups)) <= pinned


def test_the_library_needs_what_it_imports_and_no_server(graph: grimp.ImportGraph) -> None:
    """`pip install talkmill[cpu]` is all that `talkmill` and `import talkmill` need."""
    modules = ("talkmill.__main__", *(f"talkmill.{room}" for room in ("pipeline", "client", "layouts", "hdtf")))
    below = [name for name in graph.modules if name.startswith(modules)]
    by_package = packages_distributions()
    project = PROJECT["project"]
    needed = {
        normal(Requirement(text).name) for text in (*project["dependencies"], *project["optional-dependencies"]["cpu"])
    }
    used = set()
    for package in imported(graph, tuple(below)) - OPTIONAL - OF_SERVERS:
        distributions = {normal(one) for one in by_package[package]}
        assert distributions & needed, (
            f"the library imports {package}, which `pip install talkmill[cpu]` does not bring"
        )
        used |= distributions & needed
    assert needed - used <= NOT_IMPORTED
    assert not needed & (group("servers") - {"grpcio"})


def locked() -> dict[str, tuple[str, int]]:
    """Version and count of hashes of every package that images may install."""
    entries = re.split(r"\n(?=\S)", (ROOT / "deploy/docker/constraints.txt").read_text())
    found = [re.match(r"([^=\s]+)==([^\s;]+)", entry) for entry in entries if not entry.startswith("#")]
    assert all(found)
    return {
        normal(match[1]): (match[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", match.string)))
        for match in found
        if match is not None
    }


def test_what_images_install_is_known_by_its_hash() -> None:
    known, lines = locked(), (ROOT / "constraints.txt").read_text().splitlines()
    assert all(hashes for _, hashes in known.values())
    pinned = dict(line.split("==") for line in lines if "==" in line)
    others = {name: version for name, version in pinned.items() if known.get(normal(name), (version, 0))[0] != version}
    assert not others, "constraints.txt changed: run `make locks`"
    waiting = [Requirement(name) for image in images() for name in group(image.stage) | group(image.extra)]
    waiting += [Requirement(name) for name in (*group("tensorrt"), "pip", "setuptools", "wheel-stub")]
    seen: set[str] = set()
    while waiting:
        wanted = waiting.pop()
        name, extras = normal(wanted.name), ("", *wanted.extras)
        assert name in known, f"an image installs {wanted}: run `make locks`"
        if name in seen:
            continue
        seen.add(name)
        with suppress(PackageNotFoundError):
            needed = [Requirement(text) for text in requires(name) or ()]
            waiting += [
                one
                for one in needed
                if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in extras)
            ]


def test_images_install_nothing_without_its_hash() -> None:
    text = (ROOT / "deploy/docker/Dockerfile").read_text().replace("\\\n", " ")
    commands = re.findall(r"pip install ([^;&\n]*)", text)
    assert len(commands) == 4
    assert all("--require-hashes" in one for one in commands[:3])
    # A folder has no hash; what builds it has.
    assert commands[3].split() == ["--quiet", "--no-deps", "--build-constraint", "constraints.txt", "."]


def test_the_dockerfile_is_clean_and_its_bases_are_pinned() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "deploy/docker/Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    for kind, image in base_images().items():
        assert re.search(rf"^ARG {kind}={re.escape(image)}$", text, re.MULTILINE)
        assert re.fullmatch(r"[a-z0-9./-]+:[a-z0-9.-]+[0-9][a-z0-9.-]*", image)


def test_the_first_process_of_a_container_ends_when_it_is_told() -> None:
    """test_containers.py shows that it does; here that every image, and the chart's own commands, have it."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    first = ["/opt/talkmill/bin/dumb-init", "--single-child", "--"]
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[-1])[:3] == first
    assert all("dumb-init" in group(image.stage) for image in images())
    own = [container for pod in pods(objects("minimal")).values() for container in containers(pod)]
    commands = [one["command"] for one in own if "command" in one and "/opt/talkmill" in one["command"][0]]
    assert [command[:3] for command in commands] == [first]


def test_a_digest_pins_a_base() -> None:
    digest = "sha256:" + "0" * 64
    assert base_images({"PYTHON_DIGEST": digest})["PYTHON_IMAGE"].endswith(f"3.11-slim@{digest}")


def test_images_are_built_and_pushed_without_the_project(tmp_path: Path) -> None:
    """`make images push` on a fresh clone installs what reads docker-bake.hcl, and no more."""
    words = ["make", "--dry-run", "images", "push", f"VENV={tmp_path}/venv", "REGISTRY=registry.example.com/t"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    installs = [line for line in done.stdout.splitlines() if "pip install" in line]
    assert [line.partition("constraints.txt ")[2] for line in installs if "constraints.txt" in line] == ["--group bake"]
    needed = {"hcl2": "python-hcl2", "cyclonedx": "cyclonedx-python-lib", "packageurl": "cyclonedx-python-lib"}
    graph = grimp.build_graph("deploy", include_external_packages=True)
    modules = {"deploy.images"} | {name for name in graph.find_upstream_modules("deploy.images") if "deploy" in name}
    used = {one for module in modules for one in graph.find_modules_directly_imported_by(module)}
    outside = {name.split(".")[0] for name in used} - {"deploy"} - sys.stdlib_module_names
    assert {needed[name] for name in outside} == group("bake")


def test_images_are_pushed_by_what_built_them(tmp_path: Path) -> None:
    for name in ("buildah", "docker"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\ntest {name} != docker\n')
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "REGISTRY": "registry.example.com/t", "PUSH_OPTIONS": "--quiet"}
    command = [sys.executable, "-m", "deploy.images", "push", "cpu-split", "plain-model_fetch"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    version = images()[0].tag.rpartition(":")[2]
    pushed = [line for line in (tmp_path / "asked").read_text().splitlines() if " push " in line]
    assert pushed == [
        f"buildah push --quiet registry.example.com/t/{name}:{version}" for name in ("split", "model-fetch")
    ]
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho docker "$@" >> {tmp_path}/asked\n')
    subprocess.run(command[:-1], cwd=ROOT, env=environment, check=True)
    assert (tmp_path / "asked").read_text().endswith(f"docker push --quiet registry.example.com/t/split:{version}\n")


TOLD = {
    "docker": '#!/bin/sh\necho docker "$@" >> {asked}\ncase "$*" in *imagetools*) echo {digest};; esac\n',
    "skopeo": '#!/bin/sh\necho skopeo "$@" >> {asked}\necho {digest}\n',
}


@pytest.mark.parametrize("program", TOLD)
def test_digests_are_asked_of_the_registry(program: str, tmp_path: Path) -> None:
    asked, sha256 = tmp_path / "asked", "sha256:" + "1a" * 32
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / program).write_text(TOLD[program].format(asked=asked, digest=sha256))
    (tmp_path / "bin" / program).chmod(0o755)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{tmp_path}/bin", "REGISTRY": "registry.example.com/t"}
        command = [sys.executable, "-m", "deploy.images", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    values = yaml.safe_load(run("digests", "cpu-split", "cuda-split", "plain-model_fetch").stdout)
    assert values == {"image": {"digests": {"split": sha256, "split-cuda": sha256, "model-fetch": sha256}}}
    shown = run("base-digests").stdout
    assert shown == f"export PYTHON_DIGEST={sha256}\nexport CUDA_DIGEST={sha256}\n"
    names = [line.split()[-1].removeprefix("docker://") for line in asked.read_text().splitlines() if "inspect" in line]
    version = images()[0].tag.rpartition(":")[2]
    assert names[:2] == [f"registry.example.com/t/split:{version}", f"registry.example.com/t/split:{version}-cuda"]
    assert names[3:] == list(base_images().values())
    (tmp_path / "bin" / program).write_text(TOLD[program].format(asked=asked, digest="manifest unknown"))
    refused = run("digests", "cpu-split")
    assert refused.returncode == 1
    assert refused.stderr == f"Error: registry.example.com/t/split:{version}: manifest unknown\n"
    (tmp_path / "bin" / program).unlink()
    assert "neither docker buildx nor skopeo is installed" in run("digests").stderr


def test_a_push_wants_a_registry() -> None:
    words = ["make", "push", "--assume-old=.venv/.bake"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert "Error: where to? REGISTRY=" in done.stdout


def test_only_code_is_sent_to_the_build() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(allowed) == sorted(["pyproject.toml", "deploy/docker/constraints.txt", "LICENSE", "README.md", *OWN])
