"""`talkmill doctor`: what is installed, what is missing, and the next step."""

import platform
import shutil
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console

from talkmill.cli.environment import open_models, read_settings
from talkmill.cli.terminal import say
from talkmill.models.catalogue import catalogue
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.settings import Settings

PACKAGES = (
    "talkmill",
    "av",
    "lmdb",
    "numpy",
    "onnx",
    "opencv-python-headless",
    "PyMatting",
    "scenedetect-headless",
    "yt-dlp",
)
# Releases come every few weeks; what is older often meets a site that has changed.
OLD_DOWNLOADER_DAYS = 90
# -U updates what is named, and not what an extra of talkmill needs.
UPDATE_DOWNLOADER = "pip install -U 'yt-dlp[default,deno]'"
OPTIONAL_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "torch")


def doctor() -> int:
    """Show what is installed, which providers and models there are, what is missing and the next step."""
    settings = read_settings(Settings)
    return print_report(Console(), settings, open_models(settings, Console(stderr=True)))


def print_report(console: Console, settings: Settings, repository: ModelRepository) -> int:
    """Print the report.

    Args:
        console: Where to.
        settings: Of the embedded mode.
        repository: Where models lie.

    Returns:
        0 when `talkmill run` with the defaults can work, else 1.
    """
    # ONNX Runtime takes a while to load.
    from talkmill.inference.runtime import available_providers, choose_runtime

    steps: list[str] = []
    say(console, f"Python {platform.python_version()} on {platform.machine()}, {sys.executable}")
    for name in PACKAGES + OPTIONAL_PACKAGES:
        found = _version(name)
        if found or name in PACKAGES:
            say(console, f"  {name} {found or 'missing'}")
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        steps.append("onnxruntime and onnxruntime-gpu overwrite each other: pip uninstall both, then install one extra")
    say(console, f"execution providers: {', '.join(available_providers())}")
    try:
        say(console, f"  chosen: {choose_runtime(settings.execution_provider, 1).provider}")
    except ValueError as error:
        steps.append(str(error))
    say(
        console,
        f"npm: {shutil.which('npm') or 'not on the PATH; the PyPI wheel of Node is used in its place'}",
    )
    _advise_on_downloads(console)
    say(console, f"models in {settings.models.directory}, mirror {settings.models.mirror or 'none'}")
    missing = []
    for entry in catalogue().values():
        fetched = repository.installed(entry.id) is not None
        if fetched or entry.default:
            say(console, f"  {entry.id} ({entry.licence}): {'fetched' if fetched else 'missing'}")
        if entry.default and not fetched:
            missing.append(entry.id)
    if missing:
        steps.append(f"talkmill models fetch {' '.join(missing)}")
    for step in steps:
        say(console, f"next: {step}", style="yellow")
    if not steps:
        say(console, "ready: talkmill run VIDEO --out DIR")
    return 1 if steps else 0


def _advise_on_downloads(console: Console) -> None:
    """Say how old yt-dlp is and whether it can solve the challenges of video sites; what is missing is advice alone."""
    installed = version("yt-dlp")
    year, month, day = (int(part) for part in installed.split(".")[:3])
    age = (date.today() - date(year, month, day)).days
    advice = []
    if age > OLD_DOWNLOADER_DAYS:
        advice.append(f"yt-dlp is {age} days old and sites change often; update it: {UPDATE_DOWNLOADER}")
    scripts = _version("yt-dlp-ejs")
    runtime = _version("deno") or (shutil.which("deno") and "on the PATH")
    say(
        console,
        f"video sites: yt-dlp is {age} days old, yt-dlp-ejs {scripts or 'missing'}, deno {runtime or 'missing'}",
    )
    if not scripts or not runtime:
        advice.append(
            f"pages of some video sites offer no format without yt-dlp-ejs and deno; install both: {UPDATE_DOWNLOADER}"
        )
    for line in advice:
        say(console, f"advice: {line}", style="yellow")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
