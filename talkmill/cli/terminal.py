"""Lines of text on a terminal."""

from rich.console import Console

from talkmill.address import without_secrets


def say(console: Console, text: object, style: str = "") -> None:
    """Print a line: no markup in it, nothing coloured but by the style, no break where the terminal ends.

    Addresses are shown without what may be a secret, and ? for what no terminal shows of a name that is no UTF-8.
    """
    shown = without_secrets(str(text)).encode(errors="replace").decode()
    console.print(shown, style=style, markup=False, highlight=False, soft_wrap=True)
