"""Check that every relative link of the Markdown files leads somewhere. `python -m tests.architecture.docs_links`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def broken_links() -> list[str]:
    files = [path for path in ROOT.rglob("*.md") if not {".venv", "demo", "node_modules"} & set(path.parts)]
    broken = []
    for file in files:
        for target in LINK.findall(file.read_text()):
            path = target.split("#")[0]
            if path and "://" not in target and not (file.parent / path).exists():
                broken.append(f"{file.relative_to(ROOT)}: {target}")
    return broken


if __name__ == "__main__":
    found = broken_links()
    sys.stderr.writelines(f"{line}\n" for line in found)
    sys.exit(1 if found else 0)
