"""Options of a run, defined once for `talkmill run`, `talkmill submit`, the Python API and the docs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from talkmill.inference.precision import Precision
from talkmill.option import Option, OptionError, Options
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.naming import FoundSources, InputError, collect_sources, with_plan
from talkmill.pipeline.plan import read_table, seconds_of
from talkmill.stages.coarse_fit.messages import CoarseFitParameters, CoarseMethod
from talkmill.stages.crop.messages import CropParameters
from talkmill.stages.fields import MAX_RATE, Focal, Margin, NonNegative, Side, StreamNumber
from talkmill.stages.fine_fit.messages import FineFitParameters
from talkmill.stages.matting.messages import MattingMethod, MattingParameters
from talkmill.stages.split.messages import SplitParameters, TimeRange

_SPLIT, _MATTING, _CROP, _COARSE, _FINE = (
    SplitParameters(),
    MattingParameters(),
    CropParameters(),
    CoarseFitParameters(),
    FineFitParameters(),
)


def _text(value: object) -> object:
    """Take a rate as a number too."""
    return str(value) if isinstance(value, int | Fraction) else value


@dataclass(frozen=True)
class RunOptions(Options):
    """What decides the numbers of a run; everything else of `RunParameters` has its default.

    `needs` are the kinds of a clip's files that the set is for: only the stages that make them are run. All are made
    where none is named. `talkmill.needs_of` gives those of layouts.
    """

    size: Annotated[Side, Option("Side of the stored images in pixels.")] = _CROP.size
    fps: Annotated[
        str, BeforeValidator(_text), Option("Frames per second of the clips, or `source` for a constant native rate.")
    ] = _SPLIT.fps
    ranges: Annotated[
        tuple[str, ...],
        Option("Use only this part of each source, in seconds or mm:ss; repeatable.", "--range", "START-END"),
    ] = ()
    video_stream: Annotated[
        StreamNumber | None, Option("Number of the picture in each source, from 0, instead of the default one.")
    ] = _SPLIT.video_stream
    audio_stream: Annotated[
        StreamNumber | None, Option("Number of the sound in each source, from 0, instead of the default one.")
    ] = _SPLIT.audio_stream
    matting: Annotated[MattingMethod, Option("Matting method; `draft` for a quick look.")] = _MATTING.method
    precision: Annotated[Precision, Option("Arithmetic of the networks: bf16 needs OpenVINO, fp16 needs TensorRT.")] = (
        _MATTING.precision
    )
    full_alpha: Annotated[
        bool, Option("Store alpha for whole frames, not only for what the crop shows.", "--full-alpha")
    ] = _MATTING.full_frame
    image_format: Annotated[
        Literal["jpeg", "png"], Option("How the set stores its images: jpeg (quality 95, 4:4:4) or png.")
    ] = _CROP.image_format
    increase_area: Annotated[Margin, Option("Margin on each side of the face box, as a fraction of its size.")] = (
        _CROP.increase_area
    )
    min_seconds: Annotated[NonNegative, Option("Reject clips that are shorter.")] = _SPLIT.min_seconds
    min_face: Annotated[NonNegative, Option("Reject clips whose face is smaller, in pixels of the source.")] = (
        _SPLIT.min_face_pixels
    )
    coarse: Annotated[CoarseMethod, Option("How the coarse coefficients are found.")] = _COARSE.method
    photometric: Annotated[bool, Option("Refine the camera by the colours of the skin.")] = _FINE.photometric
    focal: Annotated[
        Focal | None,
        Option(
            "Hold the focal length instead of estimating it, in pixels of a 512 crop; AD-NeRF uses 1100.",
            metavar="PIXELS",
        ),
    ] = _FINE.focal_pixels
    # On the command line layouts are named instead.
    needs: tuple[Kind, ...] = ()

    def parameters(self) -> RunParameters:
        """Return the parameters of every stage.

        Raises:
            OptionError: An option cannot be read.
        """
        return RunParameters(
            split=SplitParameters(
                _rate(self.fps),
                _time_ranges(self.ranges),
                self.min_seconds,
                self.min_face,
                video_stream=self.video_stream,
                audio_stream=self.audio_stream,
            ),
            matting=MattingParameters(self.matting, self.precision, full_frame=self.full_alpha),
            crop=CropParameters(self.size, self.increase_area, image_format=self.image_format),
            coarse_fit=CoarseFitParameters(
                self.coarse, precision=self.precision if self.coarse != "landmark-fit" else "fp32"
            ),
            fine_fit=FineFitParameters(photometric=self.photometric, focal_pixels=self.focal),
            kinds=self.needs,
        )


@dataclass(frozen=True)
class SourceOptions(Options):
    """What is known of the sources of a run."""

    person: Annotated[str | None, Option("Name of the person in all inputs.", metavar="NAME")] = None
    link_persons: Annotated[
        bool, Option("Name clips person#clip, so that OTAvatar and PIRender pair clips of a person.", "--link-persons")
    ] = False
    split: Annotated[Literal["train", "test", "by-person"], Option("Which list the clips go to.")] = "train"
    plan: Annotated[
        Path | None, Option("Plan of `talkmill hdtf plan`: people and splits by file name.", metavar="FILE")
    ] = None

    def sources(self, inputs: str | Path | Iterable[str | Path]) -> FoundSources:
        """Return the named sources of a run, and what folders hold beside them.

        Args:
            inputs: Video files, folders, http(s) addresses; one or many.

        Raises:
            InputError: An input cannot be run, or the plan does not name it.
            ListError: The plan cannot be read.
            OptionError: Options contradict each other.
            OSError: A file cannot be read.
        """
        if self.plan is not None and self.person is not None:
            raise OptionError("plan", "and `person` both say who is seen: give one of them")
        if self.person is not None and not self.person.strip():
            raise OptionError("person", "is blank")
        if self.link_persons and self.person is None and self.plan is None:
            raise OptionError("link_persons", "needs `person` or `plan`")
        given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
        if not given or not all(str(one) for one in given):
            raise InputError("no input was given" if not given else "an input is empty")
        found = collect_sources(map(str, given), self.person, self.link_persons, self.split)
        if self.plan is None:
            return found
        rows = {clip.name: (clip.person, clip.split) for clip in read_table(self.plan)}
        return replace(found, sources=with_plan(found.sources, rows, self.link_persons))


def _rate(text: str) -> str:
    if text == "source":
        return text
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 1 <= rate <= MAX_RATE:
        raise OptionError(
            "fps", f"{text!r} is neither `source` nor a rate from 1 to {MAX_RATE}, such as 25 or 30000/1001"
        )
    return str(rate)


def _time_ranges(texts: tuple[str, ...]) -> tuple[TimeRange, ...]:
    found = []
    for text in texts:
        try:
            start, end = (seconds_of(part) for part in text.split("-"))
        except ValueError:
            raise OptionError("ranges", f"{text!r} is not START-END in seconds or mm:ss") from None
        if end <= start:
            raise OptionError("ranges", f"{text!r} is empty or ends before it starts")
        found.append(TimeRange(start, end))
    return tuple(found)
