"""The keys of the LMDB and the shape of each value. Source: OTAvatar (c8c484f) and PIRender (9e59f19) data loaders."""

from collections.abc import Mapping
from operator import index
from typing import Any, SupportsIndex

KEYPOINT, COEFFICIENTS, CONDITION, IDENTITY = "keypoint", "coeff_3dmm", "condition", "id"
VALID, CONFIDENCE, META = "valid", "confidence", "meta"
LENGTH_KEY, MANIFEST_KEY = b"length", b"manifest"
# No name of a clip holds a slash: the keys of entries are no keys of values.
ENTRY_PREFIX = b"clip/"
# A clip whose frames are being written; it is removed when the set is opened again.
PENDING_KEY = b"pending"

# Values of one frame; all float32 but `valid`, which is uint8. A change raises `SCHEMA_VERSION` of manifest.py and is
# told in docs/data-format.md.
ROW_SHAPES: dict[str, tuple[int, ...]] = {
    KEYPOINT: (68, 2),
    COEFFICIENTS: (260,),
    CONDITION: (7,),
    VALID: (),
    CONFIDENCE: (),
}
# Fields that a clip may be without; its `-meta` then names each of them under `absent`, with the reason.
OPTIONAL = frozenset({COEFFICIENTS, CONDITION, IDENTITY})


def absent_of(meta: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields that a clip is without, as its `-meta` says."""
    absent = meta.get("absent")
    return OPTIONAL.intersection(absent) if isinstance(absent, dict) else frozenset()


def number(value: int) -> str:
    """Return a count or a frame number as the loaders read it: seven digits."""
    return f"{value:07}"


def key(clip: str, field: str | SupportsIndex) -> bytes:
    """Return the key of a clip's field or frame."""
    return f"{clip}-{field if isinstance(field, str) else number(index(field))}".encode()


def entry_key(clip: str) -> bytes:
    """Return the key of what the set says of a clip."""
    return ENTRY_PREFIX + clip.encode()
