"""What tokens allow, and whose things are whose."""

from pathlib import Path

import pytest
import yaml

from orchestrator.auth import Tokens
from orchestrator.callers import ANYONE, Caller, Quota, caller
from talkmill.stages.errors import ScopeMissingError
from talkmill.wire.tokens import hash_token


@pytest.mark.parametrize(
    ("scope", "own", "others"),
    [
        ("read", {"read"}, set()),
        ("write", {"read", "write"}, set()),
        ("read:all", {"read"}, {"read"}),
        ("write:all", {"read", "write"}, {"read", "write"}),
    ],
)
def test_scopes(scope: str, own: set[str], others: set[str], tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"name": "ann", "sha256": hash_token("one"), "scopes": [scope]}]))
    found: Caller = Tokens(path).check("Bearer one", "read")
    assert {wanted for wanted in ("read", "write") if found.may(wanted, "ann")} == own
    # A run without an owner is of others too.
    for owner in ("bob", "", "Ann"):
        assert {wanted for wanted in ("read", "write") if found.may(wanted, owner)} == others
    assert found.reads_all == bool(others)
    if "write" not in own:
        with pytest.raises(ScopeMissingError):
            Tokens(path).check("Bearer one", "write")


def test_two_scopes_add_up(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"name": "a", "sha256": hash_token("one"), "scopes": ["write", "read:all"]}]))
    found = Tokens(path).check("Bearer one", "write")
    assert found.may("write", "a")
    assert found.may("read", "b")
    assert not found.may("write", "b")


def test_a_token_has_the_quota_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    row = {"name": "a", "sha256": hash_token("one"), "scopes": ["write"]}
    path.write_text(yaml.safe_dump([row]))
    tokens = Tokens(path)
    before = tokens.check("Bearer one", "write")
    assert before.quota == Quota(None, None)
    # A change holds for the next call, and ends no stream.
    path.write_text(yaml.safe_dump([row | {"quota": {"running_clips": 5}}]))
    after = tokens.check("Bearer one", "write")
    assert after.quota == Quota(5, None)
    assert after == before


def test_without_tokens_all_is_one_persons() -> None:
    assert ANYONE.may("write", "")
    assert ANYONE.may("write", "ann")


def test_a_call_that_nobody_made_is_an_error() -> None:
    with pytest.raises(LookupError):
        caller()
