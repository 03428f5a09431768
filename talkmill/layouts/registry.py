"""Every layout by name; each module is loaded when it is asked for."""

from importlib import import_module

from talkmill.layouts.layout import Layout

# Name on the command line to module and class.
LAYOUTS = {
    "adnerf": ("talkmill.layouts.adnerf", "AdNerf"),
    "gagavatar": ("talkmill.layouts.gagavatar", "GAGAvatar"),
    "hallo": ("talkmill.layouts.hallo", "Hallo"),
    "latentsync": ("talkmill.layouts.latentsync", "LatentSync"),
    "musetalk": ("talkmill.layouts.musetalk", "MuseTalk"),
    "parquet": ("talkmill.layouts.parquet", "Parquet"),
    "pirender": ("talkmill.layouts.pirender", "PIRender"),
    "sadtalker": ("talkmill.layouts.sadtalker", "SadTalker"),
    "stableavatar": ("talkmill.layouts.stableavatar", "StableAvatar"),
    "video-json": ("talkmill.layouts.video_json", "VideoJson"),
    "wav2lip": ("talkmill.layouts.wav2lip", "Wav2Lip"),
    "webdataset": ("talkmill.layouts.webdataset", "WebDataset"),
}


# Layouts that follow no protocol of this room, and the commands that write them.
OF_OTHER_COMMANDS = {"otavatar": "talkmill dataset export SET --out DIR"}
# What a layout imports beyond the default install: the extra that brings it.
EXTRAS = {"parquet": "parquet"}


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
    if name in OF_OTHER_COMMANDS:
        raise UnknownLayoutError(f"the layout {name} is written by `{OF_OTHER_COMMANDS[name]}`")
    if name not in LAYOUTS:
        raise UnknownLayoutError(f"there is no layout {name!r}; there are {', '.join(LAYOUTS)}")
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
