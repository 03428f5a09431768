"""docs/errors.md holds the table of talkmill/stages/errors.py."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_holds_the_table_of_today() -> None:
    page = (DOCS / "errors.md").read_text()
    with_table = runpy.run_path(str(DOCS / "errors_table.py"))["with_table"]
    assert with_table(page) == page, "run `make errors-docs`"
