"""Who calls: the name and the scopes of a token, known for as long as its call."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

Scope = Literal["read", "write", "read:all", "write:all"]
# What a scope allows beside itself.
ALLOWS: dict[Scope, frozenset[Scope]] = {
    "read": frozenset(("read",)),
    "write": frozenset(("read", "write")),
    "read:all": frozenset(("read", "read:all")),
    "write:all": frozenset(("read", "write", "read:all", "write:all")),
}


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a token may have at a time; None is without bound.

    Attributes:
        running_clips: Sources and clips that have not ended, in all runs of its name.
        upload_bytes: Announced sizes of uploads of its name that no run has taken in.
    """

    # A name that is spelt wrong must not be a quota without bound.
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    running_clips: Annotated[int, Field(ge=0)] | None = None
    upload_bytes: Annotated[int, Field(ge=0)] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever calls.

    Attributes:
        name: Of the token; runs, uploads and request ids belong to it. Empty where there are no tokens.
        scopes: All that is allowed.
        quota: How much of it. A stream does not end where it alone changes.
    """

    name: str
    scopes: frozenset[Scope]
    quota: Quota = field(default=Quota(), compare=False)

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
