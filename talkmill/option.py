"""Options of a command and of the Python API: help, flags, and the check of their values."""

from dataclasses import dataclass, fields
from typing import Any, get_type_hints

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


_adapters: dict[tuple[type[Options], str], TypeAdapter[Any]] = {}


def _adapter(kind: type[Options], name: str) -> TypeAdapter[Any]:
    if (kind, name) not in _adapters:
        _adapters[kind, name] = TypeAdapter(get_type_hints(kind, include_extras=True)[name])
    return _adapters[kind, name]
