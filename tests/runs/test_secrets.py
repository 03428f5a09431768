"""What may be a secret in an address is neither shown nor kept, whatever becomes of the download."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from talkmill.cli.dataset import inspect_dataset
from talkmill.dataset.reader import Dataset
from talkmill.pipeline import report
from talkmill.pipeline.report import ClipResult
from talkmill.telemetry.logs import configure_logs
from tests.made_up_stages import SIZE, run_made_up
from tests.secret_site import BAD, GOOD, MARK, files_with_the_mark, secret_addresses

# yt-dlp leaves sockets of broken answers to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def addresses(free_port: Callable[[], int]) -> Iterator[list[str]]:
    with secret_addresses(free_port) as found:
        yield found


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    before, stream = structlog.get_config(), io.StringIO()
    configure_logs("debug", stream)
    yield stream
    structlog.configure(**before)


def test_a_run_keeps_and_shows_no_secret_of_an_address(
    addresses: list[str], tmp_path: Path, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTP_PROXY", f"http://me:{MARK}@proxy.invalid:3128")
    events: list[object] = []
    out = tmp_path / "out"
    summary = run_made_up(out, *addresses, emit=events.append)
    rejected = {row["source"].rpartition("/")[2]: row["reason"] for row in summary.rejected}
    assert rejected == BAD
    assert len(summary.packed) == len(GOOD)

    assert files_with_the_mark(out) == []
    assert MARK not in repr(events)
    assert MARK not in repr(summary)
    structlog.get_logger().error("a test", address=addresses[0], where={"list": [addresses[0]]})
    try:
        raise ValueError(addresses[0])
    except ValueError:
        structlog.get_logger().exception("a test")
    assert logs.getvalue().count("a test") == 2
    assert MARK not in logs.getvalue()

    # Addresses stay useful, and a second run knows its sources without them.
    with Dataset(out / "lmdb" / str(SIZE)) as dataset:
        sources = {name: dataset.meta(name)["source"] for name in dataset}
    plain = [address.partition("?")[0] for address in addresses[:3]]
    assert sorted(source["uri"] for source in sources.values() if "signedin" not in source["uri"]) == sorted(plain)
    assert all(len(source["address_sha256"]) == 64 for source in sources.values())
    again = run_made_up(out, *addresses)
    assert again.packed == summary.packed
    assert again.executed == 0
    # Another token asks for something else: what one was given is not given to another.
    assert run_made_up(out, addresses[0].replace(MARK, f"{MARK}2")).executed > 0


def test_names_stay_with_their_addresses(
    addresses: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Addresses that differ in what is not shown alone are several sources, also in sets of 0.1, which hold all of it."""
    first, second = addresses[0], addresses[0].replace("token", "other")
    both = run_made_up(tmp_path / "out", first, second).packed
    assert len(set(both)) == 2
    assert run_made_up(tmp_path / "out", second).packed == (both[1],)

    def of_before(clip: ClipResult) -> dict[str, Any]:
        whole = {"uri": clip.source.uri, "original_name": clip.source.uri, "sha256": ""}
        return meta_of(clip) | {"source": whole}

    meta_of = report._meta
    with monkeypatch.context() as patched:
        patched.setattr(report, "_meta", of_before)
        assert run_made_up(tmp_path / "old", first, second).packed == both
    assert files_with_the_mark(tmp_path / "old")
    inspect_dataset(tmp_path / "old", both[0])
    told = capsys.readouterr().out
    assert first.partition("?")[0] in told
    assert MARK not in told
    assert run_made_up(tmp_path / "old", second).packed == (both[1],)
    # Where a source is run again, its whole address leaves the set.
    with Dataset(tmp_path / "old/lmdb" / str(SIZE)) as dataset:
        assert [MARK in json.dumps(dataset.meta(name)) for name in both] == [True, False]
