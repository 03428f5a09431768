import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from talkmill.text import clean_text, path_of, path_text

# Every code point, halves of surrogate pairs among them.
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=30)


@given(ANY_TEXT)
def test_any_text_becomes_one_that_every_format_holds(text: str) -> None:
    clean = clean_text(text)
    assert (clean.encode() and json.loads(json.dumps(clean, ensure_ascii=False).encode()) == clean) or clean == ""
    assert clean.isprintable() or not any(ord(character) < 32 for character in clean)
    assert clean_text(clean) == clean


def test_plain_text_stays() -> None:
    assert clean_text("Ünïcödé 视频 \U0001f600 e\u0301") == "Ünïcödé 视频 \U0001f600 e\u0301"


def test_what_cannot_be_text_is_marked() -> None:
    assert clean_text("a\udc80b") == "a\ufffdb"
    assert clean_text("one\x00two\nthree") == "one two three"
    # What turns the direction of writing rearranges all that is shown behind it.
    assert clean_text("talk\u202eexe.mp4 \u2067x\u2069") == "talk exe.mp4 x"
    assert clean_text("שיחה.mp4") == "שיחה.mp4", "writing that runs from right to left is no trick"
    # Two halves that belong together are one character.
    assert clean_text("\ud83d\ude00") == "\U0001f600"


@given(st.binary(min_size=1, max_size=20).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_any_path_survives_being_text(name: bytes) -> None:
    path = Path("/folder") / os.fsdecode(name)
    text = path_text(path)
    assert text.encode()
    assert path_of(text) == path
