"""Types of the fields of requests, with the bounds that a value from outside must keep.

Bounds are checked where a request enters (`talkmill.wire.messages`); inside they are plain numbers and strings.
"""

import re
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

# A number that is neither negative, infinite nor NaN.
NonNegative = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
# A larger length over a smaller.
Ratio = Annotated[float, Field(gt=1, le=1e9, allow_inf_nan=False)]
Fraction01 = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
# Number of a stream of a file, from 0.
StreamNumber = Annotated[int, Field(ge=0, le=1000)]
# Side of an image in pixels.
Side = Annotated[int, Field(ge=64, le=4096)]
# Part of the face box that is added on each side.
Margin = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
# Focal length in pixels of a 512 crop: a field of view of 81 to 3 degrees. A head fills the crop: with a shorter one
# the camera would stand in it.
Focal = Annotated[float, Field(ge=300, le=10000, allow_inf_nan=False)]
Level = Annotated[int, Field(ge=0, le=255)]
# Frames a second as a fraction, such as `25` or `30000/1001`.
_RATE = r"[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?"
Rate = Annotated[str, StringConstraints(pattern=rf"^{_RATE}$", max_length=13)]
# A rate that somebody asks for: what is written has at most so many frames.
MAX_RATE = 240


def _bounded(rate: str) -> str:
    if re.fullmatch(_RATE, rate) is None or not 1 <= Fraction(rate) <= MAX_RATE:
        raise ValueError(f"a rate from 1 to {MAX_RATE} is wanted, such as 25 or 30000/1001")
    return rate


WantedRate = Annotated[str, AfterValidator(_bounded)]
ClipName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]+(#[A-Za-z0-9_.]+)?$", max_length=256)]
