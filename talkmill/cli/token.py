"""`talkmill token`: makes a bearer token for a server."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from talkmill.cli.outcome import EXIT_OK
from talkmill.wire.tokens import hash_token


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will have it; for the server's log.")],
    write: Annotated[bool, typer.Option("--write", help="May also create, cancel and retry runs.")] = False,
    days: Annotated[int, typer.Option(min=1, help="How long it holds.")] = 90,
) -> int:
    """Make a bearer token: it is shown once, and its hash goes into the server's TALKMILL_TOKENS_FILE."""
    made = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    scopes = "[read, write]" if write else "[read]"
    print(f"TALKMILL_TOKEN={made}")
    print("# for the tokens file:")
    print(f'- {{name: "{name}", sha256: {hash_token(made)}, scopes: {scopes}, expires: "{expires}"}}')
    return EXIT_OK
