"""The kinds of a clip's files: what stages make, what layouts need, and what a run may be asked for."""

from typing import Literal, get_args

Kind = Literal[
    "video",
    "frame_table",
    "audio",
    "face_track",
    "alpha",
    "frames",
    "geometry",
    "landmarks",
    "face_mesh",
    "coefficients",
    "fit",
]
ALL_KINDS: tuple[Kind, ...] = get_args(Kind)
