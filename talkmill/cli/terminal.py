"""Lines of text on a terminal."""

from rich.console import Console


def say(console: Console, text: object, style: str = "") -> None:
    """Print a line as it is: no markup in it, nothing coloured but by the style, no break where the terminal ends."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
