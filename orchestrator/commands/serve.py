"""`talkmill serve`: the orchestrator, or one stage, in this process."""

from importlib import import_module
from typing import Annotated

import typer

from orchestrator.commands.outcome import CommandError
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
