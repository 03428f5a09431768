"""`talkmill serve`: the orchestrator, or one stage, in this process; `talkmill token` for who may call it."""

import secrets
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Annotated

import typer

from orchestrator.auth import hash_token
from orchestrator.commands.outcome import EXIT_OK, CommandError
from services.registry import STAGES

NAMES = ("orchestrator", *(entry.name for entry in STAGES))


def serve(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(NAMES)}.")],
) -> int:
    """Serve the orchestrator or a stage until SIGTERM, configured by the environment."""
    if name not in NAMES:
        raise CommandError(f"{name!r} is not one of {', '.join(NAMES)}")
    module = "orchestrator.server" if name == "orchestrator" else f"services.{name}.__main__"
    return int(import_module(module).main())


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
