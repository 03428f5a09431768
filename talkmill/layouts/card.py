"""A dataset card: README.md with a head in YAML, of what the rows of a set say of themselves. Nothing is made up.

Source: https://huggingface.co/docs/hub/datasets-cards, the fields of its head; datasets 5.2.0, utils/metadata.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import yaml

from talkmill.models.catalogue import catalogue
from talkmill.text import counted
from talkmill.version import __version__

# The classes of sizes that the hub knows: fewer rows than, and name.
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGEST_SIZE = "1M<n<10M"
# A table of the card has so many rows at most; the columns of the set have all.
MOST_ROWS = 200
NOT_TOLD = "not given"


def dataset_card(
    rows: Sequence[Mapping[str, Any]], measures: Mapping[str, Sequence[Any]], files: Mapping[str, str]
) -> str:
    """Return the card of a set.

    Args:
        rows: Of `clip_row`, a row a piece.
        measures: Name to numbers, a value a piece; None where a piece has none.
        files: Split to the path of its table.
    """
    licences = sorted({_told(row["licence"]) for row in rows})
    head: dict[str, Any] = {
        "pretty_name": f"Talking heads: {counted(len(rows), 'clip')}",
        "license": "unknown" if licences == [NOT_TOLD] else "other",
        "size_categories": [next((name for most, name in SIZES if len(rows) < most), LARGEST_SIZE)],
        "tags": ["talking-head", "video", "audio", "face-landmarks", "talkmill"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": path} for split, path in files.items()],
            }
        ],
    }
    people = {row["person"] for row in rows}
    seconds = sum(row["seconds"] for row in rows)
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n",
        f"# {head['pretty_name']}\n",
        f"{counted(len(rows), 'clip')}, {_lasting(seconds)}, {counted(len(people), 'person', 'people')}, from "
        f"{counted(len({_source(row) for row in rows}), 'source')}. Written by talkmill {__version__}.\n",
        "A row of the tables is a clip; `video` and `audio` are paths beside this file.\n",
        "## Splits\n",
        _table(("split", "clips", "people", "length"), _totals(rows, "split", "person")),
        _leaks(rows),
        "## Licences\n",
        "As the sources state them. The people in the videos have rights of their own.\n",
        _table(("licence", "clips", "people", "length"), _totals(rows, "licence", "person")),
        "## Sources\n",
        _table(("source", "clips", "people", "length"), _totals(rows, "source", "person")),
        "## People\n",
        "By the names that the set was made with; where nobody named a person, a clip is one of its own.\n",
        _table(("person", "clips", "splits", "length"), _totals(rows, "person", "split")),
        "## Measures\n",
        "Columns of numbers, named by the stage that measured them; talkmill's pages of stages say what they are.\n",
        _table(("column", "clips", "least", "median", "most"), _ranges(measures)),
        "## Models\n",
        _table(("model", "licence", "sha256 of its files"), _models(rows)),
    ]
    return "\n".join(part for part in parts if part)


def _told(value: object) -> str:
    return str(value) if value else NOT_TOLD


def _source(row: Mapping[str, Any]) -> str:
    return _told(row["source"].get("uri") or row["source"].get("original_name"))


def _totals(rows: Sequence[Mapping[str, Any]], by: str, of: str) -> list[tuple[str, ...]]:
    """Return clips, how many of something else, and their length for each value of a field, in the values' order."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(_source(row) if by == "source" else _told(row[by]), []).append(row)
    return [
        (
            value,
            str(len(group)),
            str(len({row[of] for row in group})) if of == "person" else ", ".join(sorted({row[of] for row in group})),
            _lasting(sum(row["seconds"] for row in group)),
        )
        for value, group in sorted(groups.items())
    ]


def _lasting(seconds: float) -> str:
    """Return a length in the unit that says most of it, such as `12.0 s`, `3.5 min` or `41.2 h`."""
    for unit, seconds_of_unit in (("s", 1), ("min", 60)):
        if round(seconds / seconds_of_unit, 1) < 60:
            return f"{seconds / seconds_of_unit:.1f} {unit}"
    return f"{seconds / 3600:.1f} h"


def _leaks(rows: Sequence[Mapping[str, Any]]) -> str:
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["person"], set()).add(row["split"])
    both = sorted(person for person, found in splits.items() if len(found) > 1)
    if not both:
        return "Nobody is in two splits, by the names that the set was made with.\n"
    return f"In two splits: {counted(len(both), 'person', 'people')}.\n"


def _ranges(measures: Mapping[str, Sequence[Any]]) -> list[tuple[str, ...]]:
    ranges: list[tuple[str, ...]] = []
    for name, values in measures.items():
        numbers = [value for value in values if value is not None]
        if numbers:
            least, middle, most = (f"{value:.6g}" for value in (min(numbers), median(numbers), max(numbers)))
            ranges.append((f"`{name}`", str(len(numbers)), least, middle, most))
    return ranges


def _models(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    known = catalogue()
    used = sorted({(name, digest) for row in rows for name, digest in row["models"].items()})
    return [(name, known[name].licence if name in known else NOT_TOLD, digest) for name, digest in used]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(one) for one in row] for row in rows[:MOST_ROWS])]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    left = len(rows) - MOST_ROWS
    return text if left <= 0 else f"{text}\n{left} more in the tables.\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
