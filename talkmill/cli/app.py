"""The command line, composed of the other modules of this folder: one per group of commands."""

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from talkmill.cli import dataset, doctor, export, hdtf, models, run, runs, token
from talkmill.cli.outcome import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CommandError
from talkmill.cli.terminal import say
from talkmill.version import __version__

MAKE, LOOK, TRAIN = "Make a set", "Look at it", "Give it to a trainer"
SERVERS, OPERATE = "Runs on a server", "Operate"


class _InPanels(TyperGroup):
    """Lists commands panel by panel; typer would list groups of commands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        order = [MAKE, LOOK, TRAIN, SERVERS, OPERATE]
        return sorted(
            super().list_commands(ctx), key=lambda name: order.index(vars(self.commands[name])["rich_help_panel"])
        )


app = typer.Typer(
    name="talkmill",
    cls=_InPanels,
    help="Turns talking-head videos into training sets for talking-face avatars.",
    pretty_exceptions_enable=False,
)
app.command(rich_help_panel=MAKE)(run.run)
app.add_typer(hdtf.app, name="hdtf", rich_help_panel=MAKE)
app.add_typer(dataset.app, name="dataset", rich_help_panel=LOOK)
app.command(rich_help_panel=TRAIN)(export.export)
app.command(rich_help_panel=TRAIN)(export.check)
for command in (runs.submit, runs.watch, runs.status, runs.cancel, runs.retry, runs.fetch):
    app.command(rich_help_panel=SERVERS)(command)
app.command("list", rich_help_panel=SERVERS)(runs.list_runs)
app.command(rich_help_panel=OPERATE)(doctor.doctor)
app.add_typer(models.app, name="models", rich_help_panel=OPERATE)
app.command(rich_help_panel=OPERATE)(token.token)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if show_version:
        print(f"talkmill {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


# Typer carries a click of its own and shows of it only this class; its root is what every usage error derives from.
_UsageError: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line; the console script."""
    call(app)


def call(commands: typer.Typer) -> None:
    """Run a command line and end the process with its exit code."""
    try:
        code = commands(standalone_mode=False)
    except typer.Exit as ended:
        code = ended.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except CommandError as error:
        say(Console(stderr=True), f"Error: {error}", style="red")
        code = EXIT_FAILED
    except _UsageError as error:
        error.show()
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else EXIT_OK)
