"""What lists of clips have in common. A list may name the machine that trains, which cannot be seen from here."""

from collections.abc import Generator, Iterator
from pathlib import Path

from talkmill.layouts.checks.files import Checked, is_there, read_text
from talkmill.layouts.layout import Finding


def read_lines(folder: Path, name: str, mend: str, *, mark_is_read: bool = True) -> Checked[list[str]]:
    """Return the lines of a list as Python reads a text; see `files.read_text`."""
    text = yield from read_text(folder, name, "list", mend, mark_is_read=mark_is_read)
    return None if text is None else text.removesuffix("\n").split("\n") if text else []


def check_training(file: str, count: int) -> Iterator[Finding]:
    """Check that a list for training names something.

    Args:
        file: The list.
        count: Of what it names.
    """
    if not count:
        yield Finding(file, "names no clip: there is nothing to train on", "give some clips the split `train`")


def in_folder(folder: Path, line: str, inside: str) -> Generator[Finding, None, str]:
    """Return where a listed file or folder lies, and say where it is another one that is read.

    Args:
        folder: Of the layout.
        line: The absolute path that the list names.
        inside: Where it would lie in the folder.
    """
    if not is_there(folder / inside):
        # Whoever reads the file says what is missing.
        return line
    if is_there(Path(line)) and not Path(line).samefile(folder / inside):
        yield Finding(
            line, f"is named in the lists and lies outside this folder, which has its own {inside}",
            "export again to write lists for this folder, with --root for another machine",
        )  # fmt: skip
    return inside
