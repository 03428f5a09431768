"""What an option of a command or of the Python API says of itself."""

from dataclasses import dataclass


class OptionError(ValueError):
    """An option cannot be read.

    Attributes:
        option: Name of its field.
        why: What was found and what is wanted.
    """

    def __init__(self, option: str, why: str) -> None:
        super().__init__(f"{option}: {why}")
        self.option, self.why = option, why


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
