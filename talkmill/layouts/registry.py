"""Every layout by name; each module is loaded when it is asked for."""

import re
from collections.abc import Iterable
from importlib import import_module

from talkmill.layouts.layout import Layout
from talkmill.layouts.pieces import PIECES_FROM
from talkmill.pipeline.kinds import ALL_KINDS, Kind

# Name on the command line to module and class.
LAYOUTS = {
    "adnerf": ("talkmill.layouts.adnerf", "AdNerf"),
    "gagavatar": ("talkmill.layouts.gagavatar", "GAGAvatar"),
    "hallo": ("talkmill.layouts.hallo", "Hallo"),
    "latentsync": ("talkmill.layouts.latentsync", "LatentSync"),
    "musetalk": ("talkmill.layouts.musetalk", "MuseTalk"),
    "otavatar": ("talkmill.layouts.otavatar", "OTAvatar"),
    "parquet": ("talkmill.layouts.parquet", "Parquet"),
    "pirender": ("talkmill.layouts.pirender", "PIRender"),
    "sadtalker": ("talkmill.layouts.sadtalker", "SadTalker"),
    "stableavatar": ("talkmill.layouts.stableavatar", "StableAvatar"),
    "video-json": ("talkmill.layouts.video_json", "VideoJson"),
    "wav2lip": ("talkmill.layouts.wav2lip", "Wav2Lip"),
    "webdataset": ("talkmill.layouts.webdataset", "WebDataset"),
}

# What a layout imports beyond the default install: the extra that brings it.
EXTRAS = {"parquet": "parquet"}
_ALL = ", ".join(LAYOUTS)


class ExtraMissingError(ValueError):
    """A layout needs a package that is not installed."""


class UnknownLayoutError(ValueError):
    """There is no layout of this name."""


def layout_of(name: str) -> Layout:
    """Return a layout.

    Raises:
        UnknownLayoutError: There is none of this name.
        ExtraMissingError: It needs a package that is not installed.
    """
    if name not in LAYOUTS:
        meant = layout_for(name)
        told = f"the one for {name} is {meant}" if meant else f"there are {_ALL}"
        raise UnknownLayoutError(f"there is no layout {name!r}; {told}")
    module, kind = LAYOUTS[name]
    try:
        layout: Layout = getattr(import_module(module), kind)()
    except ModuleNotFoundError as error:
        if name not in EXTRAS:
            raise
        raise ExtraMissingError(
            f"the layout {name} needs {error.name}, which is not installed; install the extra: `pip install --editable "
            f"'.[{EXTRAS[name]}]'` in the clone of talkmill"
        ) from error
    return layout


def layout_for(trainer: str) -> str:
    """Return the name of the layout that a trainer or its model reads; "" where none is known.

    Args:
        trainer: Its name, in whatever spelling: only its letters count, so `Hallo2` is Hallo.
    """
    for name in LAYOUTS:
        try:
            told = layout_of(name).trainer
        except ExtraMissingError:
            continue
        readers = [name, *re.findall(r"/(\S+)", told), *re.findall(r"\((.+?)\)", told)]
        if _letters(trainer) in map(_letters, readers):
            return name
    return ""


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())


def export_command(name: str, folder: str, out: str) -> str:
    """Return the command that writes a set in a layout.

    Args:
        name: Of the layout.
        folder: Of the set.
        out: Where to write.
    """
    return f"talkmill export {folder} --layout {name} --out {out}"


def needs_of(names: Iterable[str]) -> tuple[Kind, ...]:
    """Return the kinds of a clip's files that layouts are made of, together; for `RunOptions.needs`.

    Args:
        names: Of layouts; at least one.

    Raises:
        UnknownLayoutError: There is no layout of a name, or no name.
        ExtraMissingError: A layout needs a package that is not installed.
    """
    needs: set[Kind] = set()
    for name in names:
        needs |= layout_of(name).needs | PIECES_FROM
    if not needs:
        raise UnknownLayoutError(f"no layout was named; there are {_ALL}")
    return tuple(kind for kind in ALL_KINDS if kind in needs)
