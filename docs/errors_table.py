"""`make errors-docs`: the table of docs/errors.md from talkmill/stages/errors.py. The prose around it is by hand."""

import sys
from pathlib import Path

from talkmill.stages.errors import RejectionError, StageError, error_kinds

PAGE = Path(__file__).with_name("errors.md")
DEFECT = "INTERNAL"
BEGIN, END = "<!-- table: make errors-docs -->\n", "<!-- end of table -->\n"
HEAD = "\n| reason | kind | meaning | what to do | gRPC code |\n|---|---|---|---|---|\n"


def with_table(page: str) -> str:
    """Return the page with the table of today between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    kinds = sorted(error_kinds().items(), key=lambda item: (not issubclass(item[1], RejectionError), item[0] == DEFECT))
    return before + BEGIN + HEAD + "".join(_row(reason, kind) for reason, kind in kinds) + "\n" + END + after


def _row(reason: str, kind: type[StageError]) -> str:
    meaning = (kind.__doc__ or "").strip().splitlines()[0]
    remedy = kind.remedy
    return f"| {reason} | {_sort(kind)} | {meaning} | {remedy[0].upper()}{remedy[1:]}. | {kind.code} |\n"


def _sort(kind: type[StageError]) -> str:
    if issubclass(kind, RejectionError):
        return "rejection"
    if kind.stops_run:
        return "failure, ends the run"
    return "failure, retried" if kind.retryable else "failure"


if __name__ == "__main__":
    page = with_table(PAGE.read_text())
    PAGE.write_text(page)
    sys.stdout.write(f"{PAGE.name}: {len(error_kinds())} reasons\n")
