"""The file of tokens: what is wrong is said by its line and never by what stands there, and it is measured."""

import threading
import time
from pathlib import Path

import pytest
import yaml
from structlog.testing import capture_logs
from typer.testing import CliRunner

from orchestrator.auth import Tokens
from orchestrator.tokens_file import Token, TokensError, read_tokens
from talkmill.cli.app import app
from talkmill.telemetry import metrics
from talkmill.wire.tokens import hash_token

HASH = "a" * 64
GOOD = f"- {{name: a, sha256: {HASH}, scopes: [read]}}\n"
MARK = "s3cr3tT0k3n"


def outdated() -> float:
    return metrics.TOKENS_OUTDATED._value.get()


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (GOOD + "{{{", 2, "not YAML"),
        (GOOD + f"- {{name: b, sha256: {MARK}, scopes: [read]}}", 2, "sha256"),
        (GOOD + f"- name: b\n  sha256: {HASH}\n  scopes: [{MARK}]", 4, "scopes.0"),
        (GOOD + f"- name: b\n  sha256: {HASH}\n  scopes: [read]\n  {MARK}: 1", 2, "a field that is not known"),
        (GOOD + f"- name: b\n  sha256: {HASH}\n  scopes: [read]\n  quota:\n    {MARK}: 1", 6, "not known"),
        (GOOD + f"- {MARK}", 2, "Input should be a dictionary"),
        (GOOD + f"- *{MARK}", 2, "not YAML"),
        (GOOD + f"- !{MARK} b", 2, "not YAML"),
        (GOOD + f"- {{name: b, sha256: {HASH}, scopes: [read], expires: 2027-13-45}}", 2, "not YAML: a value"),
        (GOOD + f"- {{name: b, sha256: {HASH}, scopes: [read], expires: '{MARK}'}}", 2, "expires"),
        (GOOD + f"- {{name: b, sha256: {HASH}, scopes: [read], quota: {{running_clips: -1}}}}", 2, "quota.running_clips"),
        (f"tokens:\n{GOOD}", 1, "list"),
        (MARK, 1, "list"),
        (GOOD + f"# {MARK} \x07", 2, "not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_its_line_and_not_by_what_stands_there(content: str, line: int, why: str) -> None:
    with pytest.raises(TokensError) as caught:
        read_tokens(content.encode())
    assert str(caught.value).startswith(f"line {line}: "), caught.value
    assert why in str(caught.value)
    assert MARK not in str(caught.value)


def test_bytes_that_are_no_text_are_told() -> None:
    with pytest.raises(TokensError, match="line 2: not YAML"):
        read_tokens(GOOD.encode() + b"- \xff\xfe")


def test_a_file_that_is_nested_without_end_is_told() -> None:
    with pytest.raises(TokensError, match="nested too deeply"):
        read_tokens(b"[" * 5000)


@pytest.mark.parametrize(
    "content",
    [
        b"- !!timestamp soon", b"- !!bool x", b"- !!int ''", b"- !!float ''", b"!!set {a, b}", b"- !!set {a}",
        "- x\n- \ud800".encode("utf-16", "surrogatepass"), b"- {name: !!set {a}, sha256: 1, scopes: 2}", b"!!omap x", b"- !!binary \xe4",
        b"- &a [*a]",
    ],
)  # fmt: skip
def test_whatever_a_file_holds_it_is_an_error_of_its_own(content: bytes) -> None:
    with pytest.raises(TokensError):
        read_tokens(content)


@pytest.mark.parametrize("content", ["", "[]", "# nobody"])
def test_an_empty_list_has_nobody(content: str) -> None:
    assert read_tokens(content.encode()) == ()


def test_a_file_that_is_spoilt_while_the_server_runs_is_measured_and_told_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"name": "a", "sha256": hash_token("one"), "scopes": ["read"]}]))
    tokens = Tokens(path)
    assert outdated() == 0
    path.write_text("[]\n}")
    with capture_logs() as told:
        for _ in range(3):
            assert tokens.check("Bearer one", "read").name == "a"
    assert outdated() == 1
    (line,) = told
    assert "the tokens read before hold on" in line["event"]
    assert str(path) in line["error"]
    assert "line 2" in line["error"]
    path.unlink()
    with capture_logs() as told:
        tokens.read()
    assert outdated() == 1
    assert "No such file" in told[0]["error"]
    path.write_text("[]")
    tokens.read()
    assert outdated() == 0


def test_threads_read_the_file_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one read would else be put over what a later one read, and a token that was taken away would hold on."""
    path = tmp_path / "tokens.yaml"
    path.write_text("[]")
    tokens = Tokens(path)
    reading: list[bytes] = []
    at_once: list[int] = []

    def read_slowly(content: bytes) -> tuple[Token, ...]:
        reading.append(content)
        at_once.append(len(reading))
        time.sleep(0.05)
        reading.remove(content)
        return read_tokens(content)

    monkeypatch.setattr("orchestrator.auth.read_tokens", read_slowly)
    for content in ("# 1", "# 2", "# 3"):
        path.write_text(content)
        threads = [threading.Thread(target=tokens.read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert at_once == [1, 1, 1]


@pytest.mark.parametrize(
    "name", ["alice", 'a b"c', "it's", "yes", "123", "a: b", "a - x", "#", "متن", "\U0001f600", "é\\n"]
)
def test_the_command_gives_a_line_that_the_server_reads(name: str) -> None:
    done = CliRunner().invoke(app, ["token", name, "--write"])
    assert done.exit_code == 0, done.output
    secret, _, *lines = done.output.splitlines()
    (token,) = read_tokens("\n".join(lines).encode())
    assert token.name == name
    assert token.sha256 == hash_token(secret.removeprefix("TALKMILL_TOKEN="))
    assert token.scopes == ("write",)
    assert token.expires is not None


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "a" * 257, "a\udc80", "a\u202eb"])
def test_the_command_refuses_names_that_cannot_be_shown(name: str) -> None:
    done = CliRunner().invoke(app, ["token", name])
    assert done.exit_code != 0
    assert "TALKMILL_TOKEN" not in done.output
