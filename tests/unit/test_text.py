import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.text import clean_text, is_plain, path_of, path_text, without_folders

# Every code point, halves of surrogate pairs among them.
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=30)


@given(ANY_TEXT)
def test_any_text_becomes_one_that_every_format_holds(text: str) -> None:
    clean = clean_text(text)
    assert (clean.encode() and json.loads(json.dumps(clean, ensure_ascii=False).encode()) == clean) or clean == ""
    assert clean.isprintable() or not any(ord(character) < 32 for character in clean)
    assert clean_text(clean) == clean
    assert is_plain(clean)


def test_plain_text_stays() -> None:
    assert clean_text("Ünïcödé 视频 \U0001f600 e\u0301") == "Ünïcödé 视频 \U0001f600 e\u0301"


# Persian and Hindi with their joiners, a family and a flag in emoji, a soft hyphen, a private and a new character.
NAMES = ["می\u200cخواهم.mp4", "क्\u200dष.mp4", "\U0001f468\u200d\U0001f469\u200d\U0001f467.mp4", "\U0001f3f4\U000e0067\U000e007f.mp4",
         "a\u00adb.mp4", "\ue000.mp4", "\U0001faef.mp4", "a\\b.mp4"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_language_are_plain(name: str) -> None:
    assert is_plain(name)
    assert clean_text(name) == name


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\u2028b", "a\u2029b", "a\u202eb", "a\udc80b", "a\x85b", "\x00"])
def test_what_breaks_a_line_is_not_plain(name: str) -> None:
    assert not is_plain(name)


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


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/var/lib/models/a/net.onnx is missing", "net.onnx is missing"),
        ("[Errno 2] No such file: '/srv/a b/net.onnx'", "[Errno 2] No such file: 'a b/net.onnx'"),
        ("cannot import name 'x' from 'y' (/usr/lib/python3/y/z.py)", "cannot import name 'x' from 'y' (z.py)"),
        ("/usr/lib/libx.so: cannot open", "libx.so: cannot open"),
        ("no space left for /scratch/crop-1/out.bin", "no space left for out.bin"),
        ("talkmill-work/crop/ab/in.bin is not in the store", "talkmill-work/crop/ab/in.bin is not in the store"),
        ("https://a.example/b/c.mp4 answers 404", "https://a.example/b/c.mp4 answers 404"),
        ("1/2/3, and/or, 1 / 2", "1/2/3, and/or, 1 / 2"),
    ],
)
def test_folders_of_a_server_are_left_out(text: str, left: str) -> None:
    assert without_folders(text) == left
