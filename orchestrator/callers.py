"""Who calls: the name and the scopes of a token, known for as long as its call."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Scope = Literal["read", "write", "read:all", "write:all"]
# What a scope allows beside itself.
ALLOWS: dict[Scope, frozenset[Scope]] = {
    "read": frozenset(("read",)),
    "write": frozenset(("read", "write")),
    "read:all": frozenset(("read", "read:all")),
    "write:all": frozenset(("read", "write", "read:all", "write:all")),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever calls.

    Attributes:
        name: Of the token; runs, uploads and request ids belong to it. Empty where there are no tokens.
        scopes: All that is allowed.
    """

    name: str
    scopes: frozenset[Scope]

    @property
    def reads_all(self) -> bool:
        """Whether what belongs to others may be read."""
        return "read:all" in self.scopes

    def may(self, scope: Literal["read", "write"], owner: str) -> bool:
        """Say whether what belongs to an owner may be read or changed."""
        return scope in self.scopes and (owner == self.name or f"{scope}:all" in self.scopes)


# Without tokens nobody but this machine reaches the service.
ANYONE = Caller("", ALLOWS["write:all"])

_CALLER: ContextVar[Caller] = ContextVar("caller")


def set_caller(caller: Caller) -> None:
    """Say who calls, for the rest of this task and the threads that it starts."""
    _CALLER.set(caller)


def caller() -> Caller:
    """Return who calls.

    Raises:
        LookupError: Nobody has said so.
    """
    return _CALLER.get()
