"""Hooks of mkdocs.yml: pages outside of docs/, links between them and docs/, the page of the commands, and scripts.

On the site a link to a file that is no page becomes plain text. The site asks no other host for anything.
"""

import hashlib
import posixpath
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
import typer.cli
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

from talkmill.cli.app import app
from talkmill.environment import cache_folder
from talkmill.models.sources import SourceError, obtain

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
# What the theme would load from a public host. Both are under the MIT licence.
DIAGRAMS = "assets/mermaid.min.js"
SEARCH_OF_FILES, SEARCH_OF_FILES_ELSEWHERE = "assets/iframe-worker.js", "https://unpkg.com/iframe-worker/shim"
# Path on the site to the file of an npm package, and its sha256.
SCRIPTS = {
    DIAGRAMS: (
        "npm:mermaid@11.17.2!dist/mermaid.min.js",
        "581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8",
    ),
    SEARCH_OF_FILES: (
        "npm:iframe-worker@1.0.4!shim/index.js",
        "e8e412dbcfea9b7e31b5ffa288d7b6035915e714c542f4176a0cdbe262fc9609",
    ),
}
LARGEST_SCRIPT_BYTES = 10_000_000
ELSEWHERE = re.compile(r"""<(?:script|link|img|iframe)[^>]*\s(?:src|href)=["']?(?:https?:)?//[^"'>]*""")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside of docs/, the options of every command, and the scripts."""
    for path, (source, sha256) in SCRIPTS.items():
        files.append(File.generated(config, path, abs_src_path=str(_script(source, sha256))))
    files.append(File.generated(config, "cli.md", content=_commands()))
    for source, page in PAGES.items():
        if files.get_file_from_path(page) is None:
            files.append(File.generated(config, page, content=_linked((ROOT / source).read_text(), source, page)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links of a page of docs/ at pages of the site."""
    path = page.file.src_uri
    return markdown if path in PAGES.values() and path != "README.md" else _linked(markdown, f"docs/{path}", path)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Point a page at the scripts of the site; the theme takes the mermaid that is there already."""
    output = output.replace(SEARCH_OF_FILES_ELSEWHERE, get_relative_url(SEARCH_OF_FILES, page.url))
    if '<pre class="mermaid">' in output:
        script = f'<script src="{get_relative_url(DIAGRAMS, page.url)}"></script>'
        output = output.replace("</head>", f"{script}</head>", 1)
    if found := ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from another host: {found[0]}")
    return output


def on_post_template(output_content: str, **_: Any) -> str:
    """Do the same for the page of an address that is not there, which is shown at any address."""
    return output_content.replace(SEARCH_OF_FILES_ELSEWHERE, f"/{SEARCH_OF_FILES}")


def _script(source: str, sha256: str) -> Path:
    """Return a script, fetched from its registry once."""
    path = cache_folder() / "docs" / sha256
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / "script"
        try:
            obtain(source, LARGEST_SCRIPT_BYTES, part, None, Path(folder) / "archives")
        except SourceError as error:
            raise PluginError(f"{source} cannot be fetched for the site: {error}") from error
        if hashlib.sha256(part.read_bytes()).hexdigest() != sha256:
            raise PluginError(f"{source} is not the file that this site was made with")
        return part.replace(path)


def _commands() -> str:
    command: Any = typer.main.get_command(app)
    _say_whole(command)
    context = command.context_class(command, info_name="talkmill")
    text = typer.cli.get_docs_for_click(obj=command, ctx=context, name="talkmill", title="Command line")
    return text.replace("\n", "\n\nThis page is generated from the commands' own help.\n", 1)


def _say_whole(group: Any) -> None:
    """Keep lists of commands from cutting off what a command does."""
    for command in group.commands.values():
        command.short_help = command.help.partition("\n")[0]
        if hasattr(command, "commands"):
            _say_whole(command)


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
