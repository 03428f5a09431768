"""Names of clips, and which split a person belongs to."""

import hashlib
import re
import unicodedata
from typing import Literal

# LMDB keys end at 511 bytes; the longest suffix is `-coeff_3dmm`.
LONGEST_NAME = 128
_PLAIN = re.compile(r"[A-Za-z0-9_.]+(#[A-Za-z0-9_.]+)?")


def slug(text: str) -> str:
    """Turn any text into a name of [A-Za-z0-9_.], with no `-`, so that keys cannot collide.

    Args:
        text: For instance a file's stem.

    Returns:
        The text without accents, other characters replaced by `_`; a hash stands for what has no such letters, and
        ends what is too long.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.]+", "_", plain).strip("_.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    if not re.search(r"[A-Za-z0-9]", name):
        return f"clip_{digest}"
    limit = LONGEST_NAME - 2 * len("_000") - len(digest)
    return name if len(name) <= limit else f"{name[:limit]}_{digest}"


def clip_name(source_name: str, index: int, person: str | None) -> str:
    """Return the name of a clip: `source_000`, or `person#source_000` where the person is linked.

    Args:
        source_name: A slug, with the mark that tells it from others.
        index: Number of the clip in its source.
        person: Who is seen, as any text; None leaves the person out.
    """
    name = f"{source_name}_{index:03}"
    return f"{slug(person)}#{name}" if person else name


def check_name(name: str) -> str:
    """Return a clip's name, or raise ValueError where it could not be a key."""
    if not _PLAIN.fullmatch(name) or len(name) > 2 * LONGEST_NAME:
        raise ValueError(f"clip name {name!r} is not of [A-Za-z0-9_.] with at most one #")
    return name


def split_of_person(person: str, test_fraction: float = 0.1) -> Literal["train", "test"]:
    """Return `train` or `test`, the same for every clip of a person, whatever else the set holds."""
    value = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big") / 2**64
    return "test" if value < test_fraction else "train"
