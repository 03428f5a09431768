"""The process: the user's folders, its cores, its settings' errors, and native libraries that read the environment."""

import ctypes
import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_settings import SettingsError


def cache_folder() -> Path:
    """Return the user's cache folder of talkmill."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "talkmill"


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quiet_libraries() -> None:
    """Keep native libraries to one thread of linear algebra, off the terminal and off the network.

    Call it before they are loaded.
    """
    # The fits solve many small systems: a second BLAS thread makes them slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # ONNX Runtime's published builds tell Microsoft how they are used unless this is set (its Privacy.md).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


# glibc's malloc.h.
_M_ARENA_MAX = -8


def bound_memory() -> None:
    """Let threads share two pools of freed memory; nothing happens where the C library is not glibc.

    glibc gives every thread a pool of its own, and what one thread freed another does not get.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, 2)


def return_memory() -> None:
    """Give what was freed back to the system; nothing happens where the C library is not glibc."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def settings_errors(error: "ValidationError | SettingsError") -> list[str]:
    """Return a line for each setting that is wrong: the name of its variable, and what is wanted."""
    if not isinstance(error, _HasErrors):
        # Its text names the field, and its cause may quote the value.
        field = re.search(r'field "(\w+)"', str(error))
        name = f"TALKMILL_{field[1].upper()}" if field else "TALKMILL_*"
        return [f"{name}: JSON is wanted, with double quotes around names and texts"]
    return [
        f"TALKMILL_{'__'.join(map(str, item['loc'])).upper()}: {item['msg'].removeprefix('Value error, ')}"
        if item["loc"]
        else item["msg"].removeprefix("Value error, ")
        for item in error.errors()
    ]


@runtime_checkable
class _HasErrors(Protocol):
    def errors(self) -> list[Any]: ...


def given_variables() -> list[str]:
    """Return the names of the variables of talkmill that are set, in capitals."""
    return sorted(name.upper() for name in os.environ if name.upper().startswith("TALKMILL_"))


def is_loopback(address: str) -> bool:
    """Say whether an address or a host's name leads to this machine alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def environment_of_child(defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that is started; what the user has set is stronger than the defaults."""
    return {**defaults, **os.environ}
