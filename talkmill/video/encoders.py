"""Names of the encoders of video files, for those who only choose one: nothing is loaded for them."""

from typing import Literal

Encoder = Literal["auto", "nvenc", "x264", "mpeg4"]
