"""Options of a command and of the Python API: help, flags, and the check of their values."""

from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError


class OptionError(ValueError):
    """An option cannot be read.

    Attributes:
        option: Its name.
        why: What was found and what is wanted; names of other options stand in backticks.
    """

    def __init__(self, option: str, why: str) -> None:
        super().__init__(option, why)
        self.option, self.why = option, why

    def __str__(self) -> str:
        return f"{self.option}: {self.why}"


@dataclass(frozen=True, slots=True)
class Option:
    """What a person is told of an option; it stands in the `Annotated` of the field.

    Attributes:
        help: What it decides, in a line.
        flag: On the command line; made from the field's name when empty.
        metavar: What its value is called; the type when empty.
    """

    help: str
    flag: str = ""
    metavar: str = ""


@dataclass(frozen=True)
class Options:
    """Options that belong together. A subclass names them; their types and bounds are checked when it is made."""

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            OptionError: A value has another type, or breaks a bound.
        """
        for one in fields(self):
            given = getattr(self, one.name)
            try:
                value = _adapter(type(self), one.name).validate_python(given)
            except ValidationError as error:
                problem = error.errors(include_url=False, include_context=False)[0]["msg"].removeprefix("Value error, ")
                raise OptionError(one.name, f"{given!r}: {problem[0].lower()}{problem[1:]}") from error
            object.__setattr__(self, one.name, value)


def option_of(hint: Any) -> Option | None:
    """Return what a person is told of a field, by its type hint; None where it is no option of the command line."""
    return next((note for note in unwrapped(hint)[1] if isinstance(note, Option)), None)


def unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """Return a type without `Annotated`, at any depth of a union with None, and what was said there."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        bare, more = unwrapped(inner)
        return bare, [*notes, *more]
    if get_origin(hint) in (Union, UnionType):
        found = [unwrapped(part) for part in get_args(hint)]
        notes = [note for _, some in found for note in some]
        bare = next(part for part, _ in found if part is not NoneType)
        return (bare | None if any(part is NoneType for part, _ in found) else bare), notes
    return hint, []


_adapters: dict[tuple[type[Options], str], TypeAdapter[Any]] = {}


def _adapter(kind: type[Options], name: str) -> TypeAdapter[Any]:
    if (kind, name) not in _adapters:
        _adapters[kind, name] = TypeAdapter(get_type_hints(kind, include_extras=True)[name])
    return _adapters[kind, name]
