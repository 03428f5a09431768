"""Opens files that are checked: what is missing, what is no file and what cannot be read is a finding, never an error.

Whatever reads a checked file does it here, so that a broken one ends nothing but the check of itself.
"""

import json
import os
import posixpath
import stat
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from talkmill.layouts.layout import Finding

T = TypeVar("T")
# Yields what is wrong, and returns what a file holds, where it can be read.
Checked = Generator[Finding, None, T | None]
WRITE_AGAIN = "write the file again"
MAKE_READABLE = "make it readable for you"
# Windows writes it before a text in UTF-8. Nobody sees it, and to a reader it is the first letter.
MARK = "\ufeff"
# What `glob` and `fnmatch` take for a pattern.
PATTERNS = ("[", "*", "?")


def find(folder: Path, name: str, kind: str = "file", mend: str = WRITE_AGAIN) -> Checked[Path]:
    """Return where a file lies.

    Args:
        folder: Of the layout.
        name: Its path in the folder, or an absolute one.
        kind: What it is to a reader, such as `list`.
        mend: What to do where there is none.
    """
    if not Path(name).is_absolute() and posixpath.normpath(name).split("/")[0] == "..":
        yield Finding(name, "lies outside this folder", "put it into the folder, or name it by its absolute path")
        return None
    path = folder / name
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        yield Finding(name, f"there is no such {kind}", mend)
        return None
    except (OSError, ValueError) as error:
        yield Finding(_shown(name), f"cannot be read: {why(error)}", _mend_of(error, mend))
        return None
    if not stat.S_ISREG(mode):
        yield Finding(name, f"is {form_of(mode)}; a {kind} is expected", mend)
        return None
    return path


def is_there(path: Path) -> bool:
    """Say whether something lies in a place that a list names; no file system may take the name."""
    try:
        return path.exists()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Say whether a folder lies in a place that a list names; see `is_there`."""
    return is_there(path) and path.is_dir()


def form_of(mode: int) -> str:
    """Say what lies in a place that is no file.

    Args:
        mode: `st_mode` of `os.stat`.
    """
    forms = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return forms.get(stat.S_IFMT(mode), "a device")


def read_bytes(folder: Path, name: str, kind: str = "file", mend: str = WRITE_AGAIN) -> Checked[bytes]:
    """Return what a file holds; see `find`."""
    path = yield from find(folder, name, kind, mend)
    if path is None:
        return None
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        yield Finding(name, f"cannot be read: {why(error)}", _mend_of(error, mend))
        return None


def read_text(
    folder: Path, name: str, kind: str = "file", mend: str = WRITE_AGAIN, *, mark_is_read: bool = True
) -> Checked[str]:
    """Return a text in UTF-8 without a byte order mark, its lines ended by one line feed each; see `find`.

    Args:
        folder: Of the layout.
        name: Its path in the folder.
        kind: What it is to a reader.
        mend: What to do where it cannot be read.
        mark_is_read: Whether the reader takes a byte order mark for text; Python does, pandas does not.
    """
    content = yield from read_bytes(folder, name, kind, mend)
    if content is None:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield Finding(name, f"is no UTF-8: line {line} has the byte 0x{content[error.start]:02x}", "write it as UTF-8")
        return None
    if text.startswith(MARK) and mark_is_read:
        yield Finding(
            name, "begins with a byte order mark, which cannot be seen and is read as a letter",
            "write it as UTF-8 without a BOM",
        )  # fmt: skip
    # Whoever opens a text in Python gets lines of Windows so.
    return text.removeprefix(MARK).replace("\r\n", "\n").replace("\r", "\n")


def read_json(folder: Path, name: str, form: type[T], kind: str = "file", mend: str = WRITE_AGAIN) -> Checked[T]:
    """Return what a file of JSON holds; see `find`.

    Args:
        folder: Of the layout.
        name: Its path in the folder.
        form: `list` or `dict`.
        kind: What it is to a reader.
        mend: What to do where it cannot be read.
    """
    text = yield from read_text(folder, name, kind, mend)
    return None if text is None else (yield from parse_json(text, name, form, mend))


def parse_json(text: str | bytes, name: str, form: type[T], mend: str) -> Checked[T]:
    """Return what a text of JSON holds; see `read_json`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield Finding(name, f"is no JSON: {error}", mend)
        return None
    if not isinstance(value, form):
        yield Finding(name, f"holds a {type(value).__name__}; a {form.__name__} is expected", mend)
        return None
    return value


def read_array(folder: Path, name: str, mend: str) -> Checked[npt.NDArray[Any]]:
    """Return the array of an .npy file, which is not unpickled; see `find`."""
    path = yield from find(folder, name, mend=mend)
    if path is None:
        return None
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        yield Finding(name, f"cannot be read: {why(error)}", mend)
        return None
    if not isinstance(array, np.ndarray):
        yield Finding(name, "is an archive; one array is expected", mend)
        return None
    return array


def check_pattern(folder: Path, name: str, mend: str) -> Iterator[Finding]:
    """Find what makes a path a pattern to a reader that lists files by `glob`: it finds others, or none.

    Args:
        folder: Of the layout.
        name: Path of the folder in it that the reader lists; "." for the layout's own, whose whole path is looked at.
        mend: What to do.
    """
    path = str(folder.resolve()) if name == "." else name
    if held := [sign for sign in PATTERNS if sign in path]:
        yield Finding(
            name, f"has {' and '.join(held)} in its path {path}, which the reader's glob takes for a pattern", mend
        )


def files_in(folder: Path, ending: str) -> list[str]:
    """Return the names of files of an ending in a folder, in order; as `glob.glob`, without hidden ones."""
    return sorted(path.name for path in folder.glob(f"*{ending}") if not path.name.startswith("."))


def files_below(folder: Path, *endings: str, hidden: bool = False) -> list[str]:
    """Return the paths of files of some endings in a folder and below it, in order.

    Args:
        folder: The folder.
        endings: Of their names.
        hidden: Whether hidden files are among them: `os.listdir` has them, `glob.glob` has not.
    """
    return sorted(
        path.relative_to(folder).as_posix()
        for path in walk(folder, lambda error: None)
        if path.name.endswith(endings) and (hidden or not path.name.startswith("."))
    )


def walk(folder: Path, failed: Callable[[OSError], object]) -> Iterator[Path]:
    """Yield what lies in a folder and below it and is no folder, also where links lead; a folder is entered once.

    Args:
        folder: The folder.
        failed: Called with the error of a folder that cannot be listed.
    """
    entered: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=failed, followlinks=True):
        real = os.path.realpath(place)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        yield from (Path(place) / name for name in sorted(files))


def why(error: BaseException) -> str:
    """Say why a file cannot be read, without the path, which whoever asks has."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _mend_of(error: BaseException, mend: str) -> str:
    return MAKE_READABLE if isinstance(error, PermissionError) else mend


def _shown(name: str) -> str:
    """Return a name that may be of any length as one that can be shown."""
    return name if len(name) <= 200 else f"{name[:200]}..."
