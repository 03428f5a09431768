"""Clips that are taken out of a set by name, and put back by the command that made them."""

from pathlib import Path

import lmdb
import pytest

from talkmill.dataset.lock import FolderBusyError, locked
from talkmill.dataset.manifest import DamagedEntryError
from talkmill.dataset.reader import UnknownClipError, verify
from talkmill.pipeline.removal import remove_clips
from talkmill.stages.errors import SetDamagedError
from tests.made_up_stages import SIZE, run_made_up, write_sources
from tests.sets import contents

SHOWN = ("lists", "audio", "preview")


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, ...]:
    return write_sources(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")


@pytest.fixture
def run(tmp_path: Path, sources: tuple[Path, ...]) -> Path:
    """The folder of a run of three clips."""
    run_made_up(tmp_path / "out", *sources)
    return tmp_path / "out"


def shown(run: Path) -> dict[str, list[str]]:
    lists = [name for split in ("train", "test") for name in (run / f"lmdb/{split}_list.txt").read_text().split()]
    sound, previews = ([path.stem for path in (run / folder).iterdir()] for folder in ("audio", "preview"))
    return dict(zip(SHOWN, map(sorted, (lists, sound, previews)), strict=True))


def damage(run: Path, *names: str) -> None:
    folder = run / "lmdb" / str(SIZE)
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        for name in names:
            transaction.put(f"clip/{name}".encode(), b"{")


@pytest.mark.parametrize("place", [".", "lmdb", f"lmdb/{SIZE}"])
@pytest.mark.parametrize("damaged", [True, False])
def test_a_clip_is_taken_out_and_put_back_by_its_command(
    run: Path, sources: tuple[Path, ...], damaged: bool, place: str
) -> None:
    whole = contents(run / "lmdb" / str(SIZE))
    if damaged:
        damage(run, "b_000")
    assert list(remove_clips(run / place, ["b_000"]).clips) == ["a_000", "c_000"]
    assert list(verify(run / "lmdb" / str(SIZE)).clips) == ["a_000", "c_000"]
    assert shown(run) == {place: ["a_000", "c_000"] for place in SHOWN}
    summary = run_made_up(run, sources[1])
    assert summary.packed == ("b_000",)
    assert contents(run / "lmdb" / str(SIZE)) == whole
    assert shown(run) == {place: ["a_000", "b_000", "c_000"] for place in SHOWN}


def test_a_run_refuses_a_set_with_a_damaged_entry_before_any_work(run: Path, sources: tuple[Path, ...]) -> None:
    damage(run, "b_000")
    before, events = contents(run / "lmdb" / str(SIZE)), []
    for source in sources:
        with pytest.raises(SetDamagedError, match="the entry of clip b_000 is damaged") as caught:
            run_made_up(run, source, emit=events.append)
        assert "talkmill dataset remove" in caught.value.remedy
    assert events == []
    assert contents(run / "lmdb" / str(SIZE)) == before


def test_nothing_is_removed_where_one_name_is_wrong_or_another_clip_is_damaged(run: Path) -> None:
    damage(run, "b_000")
    before, listed = contents(run / "lmdb" / str(SIZE)), shown(run)
    with pytest.raises(UnknownClipError, match=r"^the set has no clip d_000; nothing was removed$"):
        remove_clips(run, ["b_000", "d_000"])
    with pytest.raises(DamagedEntryError, match="clip b_000"):
        remove_clips(run, ["a_000"])
    with locked(run, "run"), pytest.raises(FolderBusyError, match="another run"):
        remove_clips(run, ["b_000"])
    assert (contents(run / "lmdb" / str(SIZE)), shown(run)) == (before, listed)


def test_a_set_outside_of_a_run_has_no_neighbours(run: Path, tmp_path: Path) -> None:
    database = tmp_path / "elsewhere" / "set"
    database.parent.mkdir()
    (run / "lmdb" / str(SIZE)).rename(database)
    for name in ("audio/b_000.wav", "preview/b_000.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"somebody's")
    remove_clips(database, ["b_000"])
    assert list(verify(database).clips) == ["a_000", "c_000"]
    assert sorted(path.name for path in database.parent.iterdir()) == ["set"]
    assert (tmp_path / "audio/b_000.wav").is_file() and (tmp_path / "preview/b_000.jpg").is_file()
