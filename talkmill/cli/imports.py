"""`talkmill models import`: builds models from files that the user brings."""

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkmill.artifacts.artifact import sha256_of
from talkmill.cli.environment import open_models, read_settings
from talkmill.cli.outcome import EXIT_OK, CommandError
from talkmill.cli.terminal import say
from talkmill.models.repository import ModelError
from talkmill.pipeline.settings import Settings

app = typer.Typer(help="Make models out of files that you bring.", no_args_is_help=True)


@app.command("bfm09")
def import_bfm(
    folder: Annotated[Path, typer.Option("--from", metavar="DIR", help="Folder with the files of BFM 2009.")],
) -> int:
    """Build the Basel Face Model 2009 for the coarse network and for the fine fit; nothing leaves this machine."""
    # SciPy's readers are slow to load.
    from talkmill.models.export import bfm

    console = Console()
    models = open_models(read_settings(Settings), console)
    missing = bfm.missing_files(folder)
    if missing:
        raise CommandError(f"{folder} lacks {len(missing)} of {len(bfm.FILES)} files:\n  " + "\n  ".join(missing))
    with tempfile.TemporaryDirectory(dir=models.folder) as scratch:
        coarse, fine = Path(scratch) / "coarse.npz", Path(scratch) / "fine.npz"
        try:
            bfm.build(folder, coarse, fine)
            hashes = bfm.source_hashes(folder)
            for model_id, made in (("bfm09-coarse", coarse), ("bfm09-fine", fine)):
                models.adopt(model_id, _mover(made, hashes))
                say(console, f"{model_id}: ready; use it with --morphable {model_id}")
        except (bfm.BfmError, ModelError, OSError) as error:
            raise CommandError(str(error)) from error
    for name, digest in hashes.items():
        say(console, f"  {name} sha256 {digest}")
    return EXIT_OK


@app.command("deep3d")
def import_deep3d(
    checkpoint: Annotated[Path, typer.Option(metavar="FILE", help="epoch_20.pth of Deep3DFaceRecon_pytorch.")],
    landmarks_3d: Annotated[
        Path, typer.Option("--landmarks-3d", metavar="FILE", help="similarity_Lm3D_all.mat of the same repository.")
    ],
) -> int:
    """Export Deep3DFaceRecon's regressor to ONNX and compare it with torch."""
    _check_torch()
    from talkmill.models.export import deep3d

    for file in (checkpoint, landmarks_3d):
        if not file.is_file():
            raise CommandError(f"{file} is not a file; it comes from github.com/sicxu/Deep3DFaceRecon_pytorch")
    return _export(
        "deep3d-resnet50",
        lambda target: deep3d.build(checkpoint, landmarks_3d, target),
        (checkpoint, landmarks_3d),
        "--coarse deep3d-resnet50",
    )


@app.command("modnet")
def import_modnet(
    checkpoint: Annotated[Path, typer.Option(metavar="FILE", help="A .ckpt of github.com/ZHKKKe/MODNet.")],
) -> int:
    """Export MODNet to ONNX and compare it with torch."""
    _check_torch()
    from talkmill.models.export import modnet

    if not checkpoint.is_file():
        raise CommandError(f"{checkpoint} is not a file; it comes from github.com/ZHKKKe/MODNet")
    return _export("modnet", lambda target: modnet.build(checkpoint, target), (checkpoint,), "--matting modnet")


@app.command("fan")
def import_fan(
    checkpoint: Annotated[
        Path, typer.Option(metavar="FILE", help="2DFAN4-cd938726ad.zip of github.com/1adrianb/face-alignment.")
    ],
) -> int:
    """Export 2D-FAN-4 to ONNX and compare it with torch."""
    _check_torch()
    from talkmill.models.export import fan

    if not checkpoint.is_file():
        raise CommandError(f"{checkpoint} is not a file; it comes from github.com/1adrianb/face-alignment")
    return _export("fan-2d4", lambda target: fan.build(checkpoint, target), (checkpoint,), "--landmarks fan-2d4")


def _check_torch() -> None:
    """Refuse what needs torch where it is not installed; it takes seconds to load."""
    if find_spec("torch") is None:
        raise CommandError(
            "this model is exported by torch, which is not installed; "
            "install the extra: `pip install --editable '.[import]'` in the clone of talkmill"
        )


def _export(model_id: str, build: Callable[[Path], float], files: tuple[Path, ...], option: str) -> int:
    """Build a model out of files, install it, and say how near torch it is."""
    from talkmill.models.export.network import ExportError

    console = Console()
    models = open_models(read_settings(Settings), console)
    found: list[float] = []

    def write(target: Path) -> dict[str, str]:
        found.append(build(target))
        return {file.name: sha256_of(file) for file in files}

    try:
        models.adopt(model_id, write)
    except (ExportError, ModelError, OSError) as error:
        raise CommandError(str(error)) from error
    say(console, f"{model_id}: ready, within {found[0]:.1e} of torch; use it with {option}")
    return EXIT_OK


def _mover(made: Path, hashes: dict[str, str]) -> Callable[[Path], dict[str, str]]:
    def move(target: Path) -> dict[str, str]:
        made.replace(target)
        return hashes

    return move
