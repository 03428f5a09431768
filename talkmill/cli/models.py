"""`talkmill models`: list, fetch, verify, import, export."""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    import onnx

from talkmill.cli import imports
from talkmill.cli.environment import open_models, read_settings
from talkmill.cli.outcome import EXIT_FAILED, EXIT_OK, CommandError
from talkmill.cli.terminal import say
from talkmill.inference.precision import Precision
from talkmill.models.catalogue import UnknownModelError, catalogue, find
from talkmill.models.repository import ModelError
from talkmill.pipeline.settings import Settings

app = typer.Typer(help="Model files: list, fetch, verify, import, export.", no_args_is_help=True)
app.add_typer(imports.app, name="import")


class Format(StrEnum):
    """What a model is exported to."""

    ONNX = "onnx"
    TENSORRT = "tensorrt"


@app.command("list")
def list_models() -> int:
    """Show every model: what it does, its licence, whether it is fetched."""
    repository = open_models(read_settings(Settings), Console(stderr=True))
    table = Table(
        Column("model", no_wrap=True),
        Column("licence", overflow="fold"),
        Column("state", max_width=8),
        "what it is",
        box=SIMPLE_HEAD,
    )
    role = None
    for entry in sorted(catalogue().values(), key=lambda entry: entry.role):
        if entry.role != role:
            role = entry.role
            table.add_section()
            table.add_row(f"[bold]{role.replace('_', ' ')}[/bold]")
        states = {"default": entry.default, "fetched": repository.installed(entry.id) is not None}
        state = ", ".join(word for word, holds in states.items() if holds)
        table.add_row(entry.id, entry.licence, state, entry.title)
    Console().print(table)
    return EXIT_OK


@app.command("fetch")
def fetch_models(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Models; the default set if none.")] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Fetch models whose licence does not allow any use.")
    ] = False,
) -> int:
    """Fetch models, check every byte, and print their licences."""
    console = Console(stderr=True)
    repository = open_models(read_settings(Settings), console)
    try:
        for model_id in ids or [entry.id for entry in catalogue().values() if entry.default]:
            model, fetched = repository.obtain(model_id, accept_licence)
            if fetched:
                say(console, f"{model_id}: {model.path} sha256 {model.version.sha256}")
            else:
                repository.verify(model_id)
                say(console, f"{model_id}: is there ({find(model_id).licence})")
    except (UnknownModelError, ModelError) as error:
        raise CommandError(str(error)) from error
    return EXIT_OK


@app.command("verify")
def verify_models() -> int:
    """Read every byte of the fetched models again."""
    console = Console()
    repository = open_models(read_settings(Settings), console)
    failed = False
    for model_id in catalogue():
        if repository.installed(model_id) is None:
            continue
        try:
            repository.verify(model_id)
            say(console, f"{model_id}: whole")
        except ModelError as error:
            failed = True
            say(console, str(error), style="red")
    return EXIT_FAILED if failed else EXIT_OK


@app.command("export")
def export_model(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="A model that was fetched or imported.")],
    out: Annotated[Path, typer.Option(help="The .onnx to write, or the folder of the engines.")],
    target: Annotated[Format, typer.Option("--format", help="onnx, or engines of TensorRT.")] = Format.ONNX,
    precision: Annotated[Precision, typer.Option(help="Of an engine: fp32 or fp16.")] = "fp32",
    size: Annotated[
        str,
        typer.Option(metavar="NxHxW", help="Batch, height and width of an engine, where the network leaves them open."),
    ] = "1x512x896",
) -> int:
    """Write a network as ONNX, or build its TensorRT engine and compare it with fp32 on the CPU."""
    # The runtimes are slow to load.
    import onnx

    from talkmill.models.export.engine import EngineError, build_engine

    console = Console()
    settings = read_settings(Settings)
    repository = open_models(settings, console)
    try:
        model = repository.ensure(model_id, find(model_id).role)
    except (UnknownModelError, ModelError) as error:
        raise CommandError(str(error)) from error
    if model.path.suffix != ".onnx":
        raise CommandError(f"{model_id} is not a network: {model.path.name}")
    network = onnx.load(str(model.path))
    constants = {tensor.name for tensor in network.graph.initializer}
    inputs = [value for value in network.graph.input if value.name not in constants]
    try:
        if target is Format.ONNX:
            shutil.copyfile(model.path, out)
            for value in inputs:
                shape = "x".join(str(dim.dim_param or dim.dim_value) for dim in value.type.tensor_type.shape.dim)
                say(console, f"input {value.name} {shape}")
            say(console, f"{out}: opset {network.opset_import[0].version}, sha256 {model.version.sha256}")
            return EXIT_OK
        shapes = {value.name: _shape(value, _sizes(size)) for value in inputs}
        difference = build_engine(model.path, model_id, out, precision, shapes, settings.gpu)
    except (EngineError, ValueError, OSError) as error:
        raise CommandError(str(error)) from error
    say(console, f"{out}: {precision}, within {difference:.1e} of fp32 on the CPU")
    return EXIT_OK


def _sizes(text: str) -> dict[str, int]:
    """Return the lengths of axes that a network leaves open."""
    parts = text.split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise CommandError(f"--size {text!r} is not NxHxW, such as 1x512x896")
    batch, height, width = map(int, parts)
    return {"batch": batch, "N": batch, "height": height, "H": height, "width": width, "W": width}


def _shape(value: "onnx.ValueInfoProto", sizes: dict[str, int]) -> tuple[int, ...]:
    found = []
    for dim in value.type.tensor_type.shape.dim:
        if dim.dim_value:
            found.append(dim.dim_value)
        elif dim.dim_param in sizes:
            found.append(sizes[dim.dim_param])
        else:
            raise CommandError(f"input {value.name} has an axis {dim.dim_param or '?'} that --size does not name")
    return tuple(found)
