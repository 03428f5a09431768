"""`talkmill token`: makes a bearer token for a server."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
import yaml

from talkmill.cli.outcome import EXIT_OK
from talkmill.text import clean_text
from talkmill.wire.tokens import LONGEST_NAME, hash_token


def _name(text: str) -> str:
    if not text or clean_text(text) != text or len(text) > LONGEST_NAME:
        raise typer.BadParameter(f"a name of 1 to {LONGEST_NAME} characters is wanted, in one line")
    return text


def token(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", callback=_name, help="Who will have it: the owner of the runs that it makes."),
    ],
    write: Annotated[bool, typer.Option("--write", help="May also create, cancel and retry runs.")] = False,
    of_all: Annotated[
        bool, typer.Option("--all", help="Also sees, and with --write changes, what others made.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, help="How long it holds.")] = 90,
) -> int:
    """Make a bearer token: it is shown once, and its hash goes into the server's TALKMILL_TOKENS_FILE."""
    made = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    scope = ("write" if write else "read") + (":all" if of_all else "")
    print(f"TALKMILL_TOKEN={made}")
    print("# for the tokens file:")
    line = {"name": name, "sha256": hash_token(made), "scopes": [scope], "expires": expires}
    print("-", yaml.safe_dump(line, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6).strip())
    return EXIT_OK
