"""Hooks of mkdocs.yml: pages outside of docs/, links between them and docs/, and the page of the commands.

On the site a link to a file that is no page becomes plain text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

import typer
import typer.cli
from mkdocs.structure.files import File, Files

from talkmill.cli.app import app

ROOT = Path(__file__).parents[1]
# Path in the repository to path on the site.
PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "README.md": "README.md",
    "examples/README.md": "examples.md",
    "helm/talkmill/README.md": "chart.md",
    "helm/talkmill/UPGRADING.md": "chart-upgrades.md",
}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside of docs/, and the options of every command."""
    files.append(File.generated(config, "cli.md", content=_commands()))
    for source, page in PAGES.items():
        if files.get_file_from_path(page) is None:
            files.append(File.generated(config, page, content=_linked((ROOT / source).read_text(), source, page)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links of a page of docs/ at pages of the site."""
    path = page.file.src_uri
    return markdown if path in PAGES.values() and path != "README.md" else _linked(markdown, f"docs/{path}", path)


def _commands() -> str:
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="talkmill")
    text = typer.cli.get_docs_for_click(obj=command, ctx=context, name="talkmill", title="Command line")
    return text.replace("\n", "\n\nThis page is generated from the commands' own help.\n", 1)


def _linked(markdown: str, source: str, page: str) -> str:
    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return found[0]
        name, mark, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
        if path.startswith("docs/"):
            path = path.removeprefix("docs/")
        elif path in PAGES:
            path = PAGES[path]
        else:
            return text
        return f"[{text}]({posixpath.relpath(path, posixpath.dirname(page) or '.')}{mark}{anchor})"

    return LINK.sub(link, markdown)
