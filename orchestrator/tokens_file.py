"""The file of tokens: what a line may hold, and where a file is wrong. What stands in the file is never told."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from orchestrator.callers import Quota, Scope
from talkmill.wire.tokens import LONGEST_NAME


class TokensError(ValueError):
    """The file of tokens cannot be read; the message says where."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that holds.

    Attributes:
        name: Who has it: the owner of what it makes. Several tokens may have one name.
        sha256: Of the token itself.
        scopes: What it allows: `read` and `write` of what its name owns, `read:all` and `write:all` of all; `write`
            allows `read`.
        expires: When it ends, ISO 8601 with a zone; None for never.
        quota: How much it may have at a time.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...]
    expires: datetime | None = None
    quota: Quota = Quota()


_TOKENS = TypeAdapter(tuple[Token, ...])
_FIELDS = tuple(field.name for kind in (Token, Quota) for field in dataclasses.fields(kind))


class _Loader(yaml.SafeLoader):
    """Says the line of a value that cannot be, such as a date of the 13th month."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:
            # YAML's constructors fail by whatever their own code meets.
            raise yaml.constructor.ConstructorError(None, None, "a value", node.start_mark) from error


def read_tokens(content: bytes) -> tuple[Token, ...]:
    """Return the tokens of a file.

    Args:
        content: YAML in UTF-8: a list of tokens.

    Raises:
        TokensError: It is something else; the message begins with the line, and tells nothing of what stands there.
    """
    try:
        loader = _Loader(content)
        node = loader.get_single_node()
        value = () if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # The parser's own words may quote the file.
        what = "a value cannot be what it says" if error.problem == "a value" else "a quote, a bracket or an indent?"
        raise TokensError(f"line {mark.line + 1 if mark else 1}: not YAML: {what}") from None
    except yaml.reader.ReaderError as error:
        raise TokensError(f"line {_line(content, error)}: not YAML: a character that no text has") from None
    except RecursionError:
        raise TokensError("nested too deeply") from None
    try:
        return _TOKENS.validate_python(value)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)[0]
        known = [part for part in told["loc"] if isinstance(part, int) or part in _FIELDS]
        line = _node_at(node, known).start_mark.line + 1
        if told["type"] == "unexpected_keyword_argument":
            raise TokensError(f"line {line}: a field that is not known; {', '.join(_FIELDS)} are") from None
        if not known:
            raise TokensError(f"line {line}: a list of tokens is wanted") from None
        field = ".".join(map(str, known[1:]))
        raise TokensError(f"line {line}: {field}{': ' if field else ''}{told['msg']}") from None


def _line(content: bytes, error: yaml.reader.ReaderError) -> int:
    """Return the line of a character that cannot be read."""
    # The reader counts bytes where they are no text, and characters where a character is none of YAML.
    before = (
        content[: error.position]
        if error.encoding != "unicode"
        else content.decode(errors="replace")[: error.position].encode()
    )
    return before.count(b"\n") + 1


def _node_at(node: Any, parts: list[int | str]) -> Any:
    """Return the node that a value was made of, or the nearest around it."""
    for part in parts:
        if isinstance(part, int) and isinstance(node, yaml.SequenceNode):
            node = node.value[part]
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        found = [value for key, value in node.value if key.value == part]
        if not found:
            break
        node = found[-1]
    return node
