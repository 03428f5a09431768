"""A sentence on a clip: of what was measured of it, which never says what somebody looks like, or the user's own."""

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path

from talkmill.option import OptionError

NAME, TEXT = "name", "text"

# How much of a person is seen, by the height of the picture in heights of the face box. Chosen: a face is about three
# quarters of a head, and a figure is 7.5 heads tall, of which the shoulders take the second and the waist the third.
FRAMINGS = (
    (1.5, "A close-up of"),
    (3.5, "The head and shoulders of"),
    (5.5, "The upper body of"),
    (math.inf, "A wide view of"),
)


def caption(faces_high: float, other_face_count: int | None) -> str:
    """Say how much of the person a picture shows, and that there is nobody else where that is known.

    Args:
        faces_high: Height of the picture over that of the face.
        other_face_count: Other faces in the clip; None where nobody counted.
    """
    framing = next(words for most, words in FRAMINGS if faces_high < most)
    return f"{framing} {'one' if other_face_count == 0 else 'a'} person."


def read_captions(path: str | None) -> Mapping[str, str]:
    """Read the user's captions.

    Args:
        path: A JSON object of names and texts, or a CSV with the columns `name` and `text`; None for no captions.

    Returns:
        Name of a clip or of a piece to text.

    Raises:
        OptionError: The file cannot be read, has a name twice, or a text is blank.
    """
    if path is None:
        return {}
    try:
        content = Path(path).read_text(encoding="utf-8-sig")
        is_object = content.lstrip().startswith("{")
        named = json.loads(content, object_pairs_hook=list) if is_object else _of_csv(content)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise OptionError("captions", f"{path} cannot be read: {error}") from error
    captions: dict[str, str] = {}
    for name, text in named:
        if name in captions:
            raise OptionError("captions", f"{path} has {name} twice; one text per name was expected")
        if not isinstance(text, str) or not text.strip():
            raise OptionError("captions", f"{path} has {text!r} for {name}; a text was expected")
        captions[name] = " ".join(text.split())
    return captions


def _of_csv(content: str) -> list[tuple[str, str | None]]:
    reader = csv.DictReader(io.StringIO(content, newline=""))
    if not {NAME, TEXT} <= set(reader.fieldnames or ()):
        raise ValueError(f"it is no JSON object, and no CSV with the columns {NAME} and {TEXT}")
    return [(row[NAME], row[TEXT]) for row in reader]
