"""Options that decide the numbers, shared by `run` and `submit`."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from orchestrator.commands.outcome import CommandError
from orchestrator.hdtf.plan import ListError, read_table
from orchestrator.naming import InputError, NamedSource, collect_sources, with_plan
from orchestrator.pipeline import RunParameters
from services.coarse_fit.messages import CoarseFitParameters, CoarseMethod
from services.crop.messages import CropParameters
from services.fine_fit.messages import FineFitParameters
from services.matting.messages import MattingMethod, MattingParameters
from services.split.messages import SplitParameters, TimeRange
from talkmill.inference.precision import Precision


class Split(StrEnum):
    """Which list a clip goes to."""

    TRAIN = "train"
    TEST = "test"
    BY_PERSON = "by-person"


def sources_of(
    inputs: list[str], person: str | None, link_persons: bool, split: Split, plan: Path | None
) -> list[NamedSource]:
    """Return the sources that the command line names, with the people and the splits of a plan where one is given.

    Raises:
        CommandError: An input cannot be run, or the plan does not fit.
    """
    if plan is not None and person is not None:
        raise CommandError("--person and --plan both say who is seen: give one of them")
    if link_persons and person is None and plan is None:
        raise CommandError("--link-persons needs --person or --plan")
    try:
        sources = collect_sources(inputs, person, link_persons, split.value)
        if plan is None:
            return sources
        rows = {clip.name: (clip.person, clip.split) for clip in read_table(plan)}
        return with_plan(sources, rows, link_persons)
    except (InputError, ListError, OSError) as error:
        raise CommandError(str(error)) from error


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says of a run's parameters."""

    size: int
    fps: str
    ranges: list[str]
    matting: MattingMethod
    increase_area: float
    min_seconds: float
    min_face: float
    photometric: bool
    coarse: CoarseMethod
    precision: Precision
    focal: float | None

    def parameters(self) -> RunParameters:
        """Return the parameters of every stage.

        Raises:
            CommandError: An option cannot be read.
        """
        return RunParameters(
            split=SplitParameters(_rate(self.fps), _time_ranges(self.ranges), self.min_seconds, self.min_face),
            matting=MattingParameters(self.matting, self.precision),
            crop=CropParameters(self.size, self.increase_area),
            coarse_fit=CoarseFitParameters(
                self.coarse, precision=self.precision if self.coarse != "landmark-fit" else "fp32"
            ),
            fine_fit=FineFitParameters(photometric=self.photometric, focal_pixels=self.focal),
        )


def _rate(text: str) -> str:
    if text == "source":
        return text
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 1 <= rate <= 240:
        raise CommandError(f"--fps {text!r} is neither `source` nor a rate from 1 to 240, such as 25 or 30000/1001")
    return str(rate)


def _time_ranges(texts: list[str]) -> tuple[TimeRange, ...]:
    found = []
    for text in texts:
        try:
            start, end = (_seconds(part) for part in text.split("-"))
        except ValueError:
            raise CommandError(f"--range {text!r} is not START-END in seconds or mm:ss") from None
        if end <= start:
            raise CommandError(f"--range {text!r} ends before it starts")
        found.append(TimeRange(start, end))
    return tuple(found)


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total
