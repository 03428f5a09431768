"""Reports a download: a table for the terminal, CSV, and an HTML page."""

import csv
import html
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from talkmill.address import shown_address
from talkmill.hdtf.download import outcome
from talkmill.pipeline.plan import PlannedClip


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One clip.

    Attributes:
        clip: The clip of the plan.
        outcome: `ok`, a reason, or `not tried`.
        words: What was found, in the downloader's own words.
        flags: What is suspicious.
        seconds: Its length, or what was wanted.
    """

    clip: PlannedClip
    outcome: str
    words: str
    flags: tuple[str, ...]
    seconds: float


def report_rows(folder: Path, clips: Sequence[PlannedClip]) -> list[ReportRow]:
    """Return a row for every clip of a plan."""
    rows = []
    for clip in clips:
        ended, words, state = outcome(folder, clip)
        wanted = (clip.end_seconds or clip.start_seconds) - clip.start_seconds
        seconds = state.seconds if state is not None and state.status == "ok" else max(0.0, wanted)
        rows.append(ReportRow(clip, ended, words, state.flags if state else clip.flags, seconds))
    return rows


def totals(rows: Sequence[ReportRow]) -> list[tuple[str, int, float]]:
    """Return outcome, clips and hours, `ok` first, then what lost most."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        found[row.outcome].append(row.seconds)
    table = [(ended, len(seconds), sum(seconds) / 3600) for ended, seconds in found.items()]
    return sorted(table, key=lambda line: (line[0] != "ok", -line[2], line[0]))


def write_csv(path: Path, rows: Sequence[ReportRow]) -> None:
    """Write a row a clip."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "outcome", "seconds", "person", "split", "url", "flags", "words"])
        for row in rows:
            clip = row.clip
            words = _plain(row.words)
            cells = [clip.name, row.outcome, f"{row.seconds:g}", clip.person, clip.split, shown_address(clip.url)]
            writer.writerow([*cells, " ".join(row.flags), words])


def write_html(path: Path, rows: Sequence[ReportRow]) -> None:
    """Write a page with the totals and every clip that is missing or suspicious."""
    head = "".join(
        f"<tr><td>{_text(ended)}</td><td>{count}</td><td>{hours:.2f}</td></tr>" for ended, count, hours in totals(rows)
    )
    body = "".join(
        f"<tr><td>{_text(row.clip.name)}</td><td>{_text(row.outcome)}</td><td>{_text(', '.join(row.flags))}</td>"
        f'<td><a href="{_address(row)}" rel="noreferrer">{_address(row)}</a></td>'
        f"<td>{_text(row.words)}</td></tr>"
        for row in rows
        if row.outcome != "ok" or row.flags
    )
    path.write_text(
        "<!doctype html><meta charset=utf-8><title>talkmill: download</title>"
        "<style>body{font:15px sans-serif;margin:2em}table{border-collapse:collapse;margin-bottom:2em}"
        "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}</style>"
        f"<h1>Download</h1><table><tr><th>outcome</th><th>clips</th><th>hours</th></tr>{head}</table>"
        "<h2>Missing or suspicious</h2><table><tr><th>clip</th><th>outcome</th><th>flags</th><th>address</th>"
        f"<th>what was found</th></tr>{body}</table>",
        encoding="utf-8",
    )


def _address(row: ReportRow) -> str:
    return _text(shown_address(row.clip.url))


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def _plain(words: str) -> str:
    """Keep a spreadsheet from taking a site's words for a formula."""
    return f"'{words}" if words[:1] in ("=", "+", "-", "@") else words
