"""The pieces that a clip becomes, and their names. It knows no trainer and writes nothing."""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence

from talkmill.dataset.names import slug
from talkmill.layouts.cutting import cut
from talkmill.layouts.layout import Layout, Lengths, Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.pipeline.kinds import Kind
from talkmill.video.stretches import stretches_of

# Kinds of files that pieces are found with; the fit too, where a layout needs it.
PIECES_FROM: frozenset[Kind] = frozenset({"landmarks", "audio", "frame_table"})


def names_of(clips: Iterable[str]) -> dict[str, str]:
    """Return a name of letters, digits and `_` for each clip; two that would be the same get a part of a hash."""
    plain = {name: _plain(name) for name in clips}
    taken = list(plain.values())
    return {
        name: short if taken.count(short) == 1 else f"{short}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for name, short in plain.items()
    }


def person_name(person: str) -> str:
    """Return a name of letters, digits and `_` for a person; a part of a hash tells apart what such letters cannot."""
    plain = _plain(slug(person))
    if plain and re.fullmatch(r"[\x20-\x7e]+", person):
        return plain
    digest = hashlib.sha256(person.encode()).hexdigest()[:8]
    return plain if plain.endswith(digest) else f"{plain}_{digest}"


def pieces_of(material: ClipMaterial, layout: Layout, lengths: Lengths, base: str) -> tuple[Piece, ...] | str:
    """Cut a clip into pieces, or say why it gives none.

    Args:
        material: The clip, with the files of `PIECES_FROM`.
        layout: What the trainer reads.
        lengths: Of a piece.
        base: What the names of the pieces begin with.
    """
    clip = material.clip
    if layout.rate is not None and clip.rate != layout.rate and clip.rate != material.set_rate:
        return f"{layout.name} reads {float(layout.rate):g} frames a second, `fps` {clip.rate} was asked for"
    if layout.rate is not None and clip.rate != layout.rate:
        return (
            f"it has {float(clip.rate):g} frames a second, {layout.name} reads {float(layout.rate):g}; export with "
            f"`fps` {layout.rate}, or run its source again with it"
        )
    least, most = lengths.least_frames(clip.rate), lengths.most_frames(clip.rate)
    if most is not None and most < least:
        return (
            f"no number of frames lasts from {lengths.least_seconds:g} to {lengths.most_seconds:g} s at "
            f"{float(clip.rate):g} frames a second; see `most_seconds`"
        )
    runs = stretches_of(material.valid) if layout.whole_runs else [(0, material.frame_count)]
    ranges = cut(runs, material.samples, clip.rate, lengths)
    if not ranges:
        longest = max((end - first for first, end in runs), default=0) / clip.rate
        # Never more than there is: who asks for so many seconds gets them.
        told = math.floor(longest * 100) / 100
        return (
            f"{told:.2f} s of it can be used without a break, {layout.name} takes "
            f"{lengths.least_seconds:g} s at least; see `least_seconds`"
        )
    person = person_name(clip.person) if clip.person else base
    whole = ranges == [(0, material.frame_count)]
    return tuple(
        Piece(base if whole else f"{base}_p{number:02}", clip.name, clip.split, person, clip.rate, first, end)
        for number, (first, end) in enumerate(ranges)
    )


def unused_of(material: ClipMaterial, pieces: Sequence[Piece]) -> str:
    """Say how much of a clip is in none of its pieces; "" where all of it is."""
    frames = material.frame_count - sum(piece.frame_count for piece in pieces)
    if not frames:
        return ""
    seconds, whole = (float(count / material.clip.rate) for count in (frames, material.frame_count))
    return f"{seconds:.2f} s of {whole:.2f} s are in no piece: too short, or without valid landmarks"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
