import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.text import all_without_secrets, clean_text, path_of, path_text, shown_address, without_secrets

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
    # Two halves that belong together are one character.
    assert clean_text("\ud83d\ude00") == "\U0001f600"


@given(st.binary(min_size=1, max_size=20).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_any_path_survives_being_text(name: bytes) -> None:
    path = Path("/folder") / os.fsdecode(name)
    text = path_text(path)
    assert text.encode()
    assert path_of(text) == path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.org/a.mp4?token=abc#part", "https://example.org/a.mp4"),
        ("http://me:pass@example.org:8080/a", "http://example.org:8080/a"),
        ("postgresql+psycopg://me:pass@db/talkmill", "postgresql+psycopg://db/talkmill"),
        ("https://www.youtube.com/watch?v=abc-_1&list=xyz&si=abc", "https://www.youtube.com/watch?v=abc-_1"),
        ("https://youtube.com.evil.example/watch?v=abc", "https://youtube.com.evil.example/watch"),
        ("http://[broken?token=abc", "http://..."),
        ("file:///a/b%3Fc.mp4", "file:///a/b%3Fc.mp4"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(text: str, shown: str) -> None:
    assert shown_address(text) == shown
    assert without_secrets(f"see '{text}', and {text}") == f"see '{shown}', and {shown}"


def test_a_path_with_a_query_loses_it_and_other_texts_stay() -> None:
    told = "Max retries exceeded with url: /bucket/key?X-Amz-Signature=abc (Caused by ...)"
    assert without_secrets(told) == "Max retries exceeded with url: /bucket/key (Caused by ...)"
    for text in ("and/or? yes", "a/b, 3 of 4?", "C:\\a?b", "no address at all", "/a/path/to.mp4"):
        assert without_secrets(text) == text


def test_every_text_of_a_value_is_cleaned() -> None:
    value = {"a": ["http://x.example/?b=1", {"c": "http://me@x.example/"}], "d": 3, "e": b"http://x/?b"}
    assert all_without_secrets(value) == {
        "a": ["http://x.example/", {"c": "http://x.example/"}],
        "d": 3,
        "e": b"http://x/?b",
    }
