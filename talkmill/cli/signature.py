"""Makes typer options of dataclasses, so that the command line, the Python API and the docs share one definition."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from talkmill.cli.errors import option_errors
from talkmill.option import option_of, unwrapped

# A bound that only keeps infinity out is not worth showing.
NO_BOUND = 1e9


def with_options(function: Callable[..., int]) -> Callable[..., int]:
    """Let a command take dataclasses: each of their fields becomes an option of the command.

    Args:
        function: Its parameters that are dataclasses are replaced by those of their fields that are options; the others
            stay.

    Returns:
        What typer makes a command of.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if is_dataclass(kind):
            groups[parameter.name] = kind
            parameters += _options_of(kind)
        else:
            parameters.append(parameter.replace(annotation=kind))

    def command(**values: Any) -> int:
        for name, kind in groups.items():
            given = {one.name: values.pop(one.name) for one in fields(kind) if one.name in values}
            repeated = _repeated(get_type_hints(kind, include_extras=True))
            # An option that is repeated comes as a list, or as None when it was not given.
            given |= {key: tuple(given[key] or ()) for key in repeated & given.keys()}
            with option_errors():
                values[name] = kind(**given)
        return function(**values)

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": int}
    return command


def _options_of(kind: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    for one in fields(kind):
        if option_of(hints[one.name]) is not None:
            yield _option(one, hints[one.name])


def _option(one: "Field[Any]", hint: Any) -> inspect.Parameter:
    bare, notes = unwrapped(hint)
    option = option_of(hint)
    assert option is not None  # noqa: S101 - the caller looked
    bounds = {
        name: getattr(bound, key)
        for note in notes
        if isinstance(note, FieldInfo)
        for bound in note.metadata
        for name, key in (("min", "ge"), ("max", "le"))
        if abs(getattr(bound, key, NO_BOUND)) < NO_BOUND
    }
    default = None if one.default is MISSING else one.default
    if one.name in _repeated({one.name: hint}):
        bare, default = list[str] | None, None
    settings: dict[str, Any] = {"help": option.help, **bounds}
    if option.metavar:
        settings["metavar"] = option.metavar
    described = typer.Option(*([option.flag] if option.flag else []), **settings)
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[bare, described]
    )


def _repeated(hints: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for name, hint in hints.items() if get_origin(unwrapped(hint)[0]) is tuple)
