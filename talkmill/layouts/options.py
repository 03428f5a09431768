"""Options of an export, defined once for `talkmill export`, the Python API and the docs."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from talkmill.option import Option, OptionError, Options
from talkmill.stages.fields import WantedRate
from talkmill.video.encoders import Encoder


@dataclass(frozen=True)
class Targets(Options):
    """What a run is for."""

    layouts: Annotated[
        tuple[str, ...],
        Option("Run only what these layouts need; everything if none is named. Repeatable.", "--for", "NAME[,NAME]"),
    ] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layouts, each once."""
        return tuple(dict.fromkeys(name.strip() for names in self.layouts for name in names.split(",")))


@dataclass(frozen=True)
class ExportOptions(Options):
    """How a set is written for a trainer. A layout takes the options that mean something to it, and all take `fps`."""

    fps: Annotated[
        WantedRate | None, Option("Frames a second, by leaving frames out or repeating them; those of the set if none.")
    ] = None
    size: Annotated[
        Annotated[int, Field(ge=64, le=4096)] | None,
        Option("Side of square pictures in pixels; the layout's own if none."),
    ] = None
    face_share: Annotated[
        Annotated[float, Field(gt=0.1, lt=1)] | None,
        Option("Share of the square's side that the face takes; the square of the set if none."),
    ] = None
    least_seconds: Annotated[
        Annotated[float, Field(ge=0, le=86400)] | None, Option("Leave out what is shorter; the layout's own if none.")
    ] = None
    most_seconds: Annotated[
        Annotated[float, Field(gt=0, le=86400)] | None,
        Option("Cut what is longer, at pauses of speech; the layout's own if none."),
    ] = None
    encoder: Annotated[
        Encoder, Option("Encoder of videos; auto takes NVENC where it works, else x264, else MPEG-4 part 2.")
    ] = "auto"
    root: Annotated[
        str | None,
        Option(
            "Where the folder will lie on the machine that trains; lists with absolute paths name it.", metavar="DIR"
        ),
    ] = None
    captions: Annotated[
        str | None,
        Option("JSON object, or CSV with the columns name and text: captions of clips or pieces.", metavar="FILE"),
    ] = None

    def even_size(self) -> int | None:
        """Return the side of square pictures of a video.

        Raises:
            OptionError: It is odd.
        """
        if self.size is not None and self.size % 2:
            raise OptionError("size", f"{self.size} is odd; the sides of a video are even")
        return self.size
