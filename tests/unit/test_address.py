from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.address import (
    AddressSecrets,
    address_sha256,
    all_without_secrets,
    is_address,
    shown_address,
    without_secrets,
)

SECRET = "s3cr3t-W0RD"  # noqa: S105 - of nothing


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://a.org/talk.mp4", "https://a.org/talk.mp4"),
        (f"https://a.org/talk.mp4?token={SECRET}", "https://a.org/talk.mp4"),
        (f"https://me:{SECRET}@a.org:81/talk.mp4#{SECRET}", "https://a.org:81/talk.mp4"),
        (f"https://me:x@{SECRET}@a.org/talk.mp4", "https://a.org/talk.mp4"),
        (f"https://a.org/show/https://me:{SECRET}@b.org/x", "https://a.org/show/https://b.org/x"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        (f"https://m.youtube.com/watch?t=3&v=dQw4w9WgXcQ&k={SECRET}", "https://m.youtube.com/watch?v=dQw4w9WgXcQ"),
        (f"https://www.youtube.com/watch?v={SECRET}/{SECRET}", "https://www.youtube.com/watch"),
        (f"https://youtube.com.evil.org/watch?v={SECRET}", "https://youtube.com.evil.org/watch"),
        # What cannot be read is not shown: a password with a slash, an address of six bytes, a wide letter.
        (f"http://me:{SECRET}/x@a.org/talk.mp4", "http://[...]"),
        (f"http://[::1?token={SECRET}", "http://[...]"),
        (f"http://me:{SECRET}\u2100@a.org/", "http://[...]"),
        (f"rtsp://me:{SECRET}@camera/1", "rtsp://camera/1"),
        (SECRET, "[...]"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_secret(address: str, shown: str) -> None:
    assert shown_address(address) == shown
    assert shown_address(shown) == shown or shown.endswith("[...]")


@given(st.text(alphabet="ab:/?#=@. ([.mp4htps", max_size=40))
def test_what_was_cleaned_stays(text: str) -> None:
    assert without_secrets(without_secrets(text)) == without_secrets(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_that_can_be_shown(text: str) -> None:
    for address in (text, f"http://{text}", f"http://a.org/{text}"):
        shown_address(address)
        address_sha256(address)
        AddressSecrets([address]).out_of(text)
    assert "zz9" not in shown_address(f"http://a.org/x?zz9={text}zz9")


@pytest.mark.parametrize(
    "text",
    [
        "https://a.org/x?k=SECRET answers 404",
        "(see https://a.org/x?k=SECRET).",
        "unable to open 'https://me:SECRET@a.org/x'",
        f"{Path('https://a.org/x?k=SECRET')} is empty",
        'url "HTTPS://a.org/x#SECRET", and rtsp://me:SECRET@b.org',
        "socks5://me:SECRET@proxy:1080 refuses",
    ],
)
def test_addresses_in_a_text_are_shown(text: str) -> None:
    found = without_secrets(text)
    assert "SECRET" not in found
    assert "a.org/x" in found or "proxy" in found
    assert without_secrets(found) == found


def test_an_address_in_a_sentence_leaves_the_sentence() -> None:
    assert without_secrets("(https://a.org/x?k=1). Next: C:/x, 3:/4") == "(https://a.org/x). Next: C:/x, 3:/4"


@pytest.mark.parametrize(
    "words",
    [
        f"[generic] talk?token={SECRET}: Requested format is not available",
        f"URL can't contain control characters. '/talk?token={SECRET}' (found at least ' ')",
        f"cannot write page.talk?token={SECRET}.mp4",
        f"no such user me:{SECRET}",
        f"{SECRET} is wrong",
        "the pair pin=7 is wrong, and so is a b",
    ],
)
def test_pieces_of_a_known_address_are_left_out(words: str) -> None:
    secrets = AddressSecrets([f"https://me:{SECRET}@a.org/talk?token={SECRET}&pin=7&q=a%20b#{SECRET}"])
    assert SECRET not in secrets.out_of(words)
    assert "pin=7" not in secrets.out_of(words)


def test_the_name_of_a_video_is_no_secret() -> None:
    secrets = AddressSecrets([f"https://www.youtube.com/watch?v=dQw4w9WgXcQ&key={SECRET}"])
    assert secrets.out_of(f"[youtube] dQw4w9WgXcQ: {SECRET}") == "[youtube] dQw4w9WgXcQ: [...]"


def test_what_is_an_address() -> None:
    assert is_address("HTTPS://a.org")
    assert not is_address("ftp://a.org")
    assert not is_address("/home/http/x.mp4")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.org/a.mp4?token=abc#part", "https://example.org/a.mp4"),
        ("http://me:pass@example.org:8080/a", "http://example.org:8080/a"),
        ("postgresql+psycopg://me:pass@db/talkmill", "postgresql+psycopg://db/talkmill"),
        ("https://www.youtube.com/watch?v=abc-_1&list=xyz&si=abc", "https://www.youtube.com/watch?v=abc-_1"),
        ("https://youtube.com.evil.example/watch?v=abc", "https://youtube.com.evil.example/watch"),
        ("http://[broken?token=abc", "http://[...]"),
        ("file:///a/b%3Fc.mp4", "file:///a/b%3Fc.mp4"),
    ],
)
def test_an_address_is_shown_alike_wherever_it_stands(text: str, shown: str) -> None:
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


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("talk.mp4?X-Amz-Signature=abc&k=v", "talk.mp4"),
        ("my talk.mp4?token=abc is no video", "my talk.mp4 is no video"),
        ("'talk.mp4?token=abc'", "'talk.mp4'"),
        ("watch?v=dQw4w9WgXcQ", "watch"),
        ("youtube.com/watch?v=dQw4w9WgXcQ", "youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("who is this? a=b", "who is this? a=b"),
        ("really?.mp4", "really?.mp4"),
        ("folder/talk.mp4?token=abc", "folder/talk.mp4"),
        ("talk.mp4?abc", "talk.mp4"),
        ("talk(1)?token=abc", "talk(1)"),
        ("(a.example/talk?token=abc)", "(a.example/talk)"),
        ("a.example/talk?next=https://b.example/x?k=abc", "a.example/talk"),
        ("a.example/talk#token=abc", "a.example/talk"),
        ("me:abc@proxy.example:3128 refuses", "proxy.example:3128 refuses"),
        ("(me:abc@a.example/talk.mp4?token=abc)", "(a.example/talk.mp4)"),
        ("me:abc@a.example,https://b.example/x?k=abc", "a.example,https://b.example/x"),
        ("python:3.11@sha256:12ab", "python:3.11@sha256:12ab"),
        ("see docs/troubleshooting.md#storage", "see docs/troubleshooting.md#storage"),
        ("10:30@noon, a@b.example", "10:30@noon, a@b.example"),
    ],
)
def test_a_name_that_kept_its_query_loses_it(text: str, left: str) -> None:
    assert without_secrets(text) == left
