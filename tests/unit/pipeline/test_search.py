"""What is found in the folders that people have, and what is told of the rest."""

import os
import socket
from pathlib import Path

import pytest

from talkmill.dataset.lock import LOCK_NAME, locked
from talkmill.layouts.folder import ExportFolder, Part
from talkmill.pipeline.naming import InputError, collect_sources
from talkmill.pipeline.search import FolderSearch, PassedOver, told
from tests.made_up_stages import run_made_up, write_sources

APPLE_DOUBLE = bytes.fromhex("00051607000200004d6163204f53205820202020")


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def search(folder: Path) -> tuple[list[str], dict[str, int]]:
    """The videos, as paths in the folder, and what was passed over."""
    finder = FolderSearch()
    videos = finder.videos(folder)
    return [str(path.relative_to(folder)) for path in videos], {row.kind: row.count for row in finder.passed_over}


def test_files_of_every_container_are_found_by_their_suffix_in_any_capitals(tmp_path: Path) -> None:
    names = ["a.VOB", "b.asf", "c.f4v", "d.Mxf", "e.qt", "f.3g2", "g.mts", "h.m2ts", "i.ogv", "j.mp4", "k.dvr-ms"]
    put(tmp_path, *names)
    assert search(tmp_path) == (names, {})


def test_other_files_are_counted_by_their_suffix(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", "a.srt", "sub/b.SRT", "c.jpg", "README", "mr. smith and the long name", "list.m3u8")
    assert search(tmp_path) == (["a.mp4"], {".srt file": 2, ".jpg file": 1, "other file": 2, ".m3u8 file": 1})


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    """macOS keeps a resource fork beside each file of a foreign drive; others keep thrown away files and thumbnails."""
    put(tmp_path, "a.mp4", ".DS_Store", ".Trash-1000/files/b.mp4", "$RECYCLE.BIN/c.mp4", "@eaDir/a.mp4/thumb.mp4")
    (tmp_path / "._a.mp4").write_bytes(APPLE_DOUBLE + bytes(4000))
    assert search(tmp_path) == (["a.mp4"], {"hidden file": 4})


@pytest.mark.parametrize(
    "name",
    ["b.mp4.part", "b.mp4.ytdl", "b.mp4.part-Frag12", "b.mp4.part-Frag12.part", "b.webm.crdownload", "b.mkv.aria2",
     "b.temp.mp4", "b.MP4.PART", "key.parts/page.1.mp4"],
)  # fmt: skip
def test_unfinished_downloads_are_passed_over(name: str, tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", name)
    assert search(tmp_path) == (["a.mp4"], {"unfinished download": 1})


def test_a_file_that_a_downloader_still_fills_is_passed_over(tmp_path: Path) -> None:
    """Firefox and aria2 give it its last name at once."""
    put(tmp_path, "a.mp4", "b.mp4", "b.mp4.part", "c.mkv", "c.mkv.aria2")
    assert search(tmp_path) == (["a.mp4"], {"unfinished download": 4})


def test_picture_and_sound_that_were_not_joined_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", "b.f137.mp4", "b.f251.webm", "c.f140.m4a", "d.fhls-1080p.mp4", "e.f137-1.mp4")
    put(tmp_path, "the.final.mp4", "f1.race.mp4", "talk.f1x.mp4")
    assert search(tmp_path) == (["a.mp4", "f1.race.mp4", "talk.f1x.mp4", "the.final.mp4"], {"download piece": 5})


def test_backups_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", "a.mp4~", "a.mp4.bak", "#a.mp4#")
    assert search(tmp_path) == (["a.mp4"], {".mp4~ file": 1, ".bak file": 1, ".mp4# file": 1})


def test_the_folders_of_a_set_are_passed_over_and_others_in_it_are_not(tmp_path: Path) -> None:
    write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "project", tmp_path / "in")
    put(tmp_path, "project/mine/b.mp4", "project/c.mp4", "work/d.mp4")
    assert search(tmp_path) == (["in/a.mp4", "project/c.mp4", "project/mine/b.mp4", "work/d.mp4"], {"data set": 1})
    # A copy may lose what is hidden, and `work` may be moved.
    (tmp_path / "project" / LOCK_NAME).unlink()
    assert search(tmp_path)[1] == {"data set": 1}
    (tmp_path / "project/work").rename(tmp_path / "moved")
    videos, passed_over = search(tmp_path / "moved")
    assert videos == []
    assert passed_over["stage result"] == len(list((tmp_path / "moved").glob("*/*/manifest.json")))


@pytest.mark.parametrize("inner", ["work", "work/split", "preview", ""])
def test_a_run_inside_a_set_finds_nothing_and_says_so(inner: str, tmp_path: Path) -> None:
    write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "set", tmp_path / "in")
    with pytest.raises(InputError, match=rf"holds no video to run; passed over: 1 data set \({tmp_path}/set\)"):
        collect_sources([str(tmp_path / "set" / inner)], None, False, "train")


def test_a_file_that_is_named_is_taken_wherever_it_lies(tmp_path: Path) -> None:
    write_sources(tmp_path / "in", "a.mp4")
    run_made_up(tmp_path / "set", tmp_path / "in")
    (clip,) = (tmp_path / "set/work/split").glob("*/video.mp4")
    found = collect_sources([str(clip)], None, False, "train")
    assert [source.uri for source in found.sources] == [str(clip)]


def test_an_export_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "talks_raw/a.mp4", "b.mp4")
    target = ExportFolder(tmp_path, "talks")
    part = Part("c", "1", ("talks_split/train/c.mp4",))
    target.write(part, lambda staging: put(staging, *part.files))
    # A folder of the user's with a name like those of the export's is the user's.
    assert search(tmp_path) == (["b.mp4", "talks_raw/a.mp4"], {"export": 1, ".jsonl file": 1})
    with pytest.raises(InputError, match="1 export"):
        collect_sources([str(tmp_path / "talks_split/train")], None, False, "train")


def test_of_a_list_that_was_downloaded_the_clips_are_taken(tmp_path: Path) -> None:
    with locked(tmp_path, "download"):
        put(tmp_path, "videos/whole.mp4", "clips/a.mp4", "clips/b.mp4")
    assert search(tmp_path) == (["clips/a.mp4", "clips/b.mp4"], {"download folder": 1})
    assert search(tmp_path / "videos") == (["whole.mp4"], {})


def test_links_are_told(tmp_path: Path) -> None:
    put(tmp_path, "in/a.mp4", "elsewhere/b.mp4")
    (tmp_path / "in/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/round").symlink_to(tmp_path / "in")
    (tmp_path / "in/c.mp4").symlink_to(tmp_path / "elsewhere/b.mp4")
    (tmp_path / "in/gone.mp4").symlink_to(tmp_path / "nothing.mp4")
    assert search(tmp_path / "in") == (["a.mp4", "c.mp4"], {"folder link": 2, "broken link": 1})
    # The folder that is named may be a link.
    assert search(tmp_path / "in/more") == (["b.mp4"], {})


def test_what_is_no_regular_file_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4")
    os.mkfifo(tmp_path / "camera.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.mkv"))
        assert search(tmp_path) == (["a.mp4"], {"special file": 2})


def test_what_cannot_be_read_is_told_and_the_rest_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root everything can be read: the system's answer is played."""
    put(tmp_path, "a.mp4", "closed/b.mp4", "c.mp4")
    scan, opened = os.scandir, Path.open

    def closed_folder(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    def closed_file(path: Path, *arguments: str, **options: object) -> object:
        if path.name == "c.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "scandir", closed_folder)
    monkeypatch.setattr(Path, "open", closed_file)
    found = collect_sources([str(tmp_path)], None, False, "train")
    assert [source.name for source in found.sources] == ["a"]
    assert {row.kind: row.first for row in found.passed_over} == {
        "unreadable folder": str(tmp_path / "closed"),
        "unreadable file": str(tmp_path / "c.mp4"),
    }
    with pytest.raises(PermissionError):
        collect_sources([str(tmp_path / "c.mp4")], None, False, "train")


def test_one_line_tells_all_of_it(tmp_path: Path) -> None:
    rows = [
        PassedOver(".jpg file", 2, "a.jpg"),
        PassedOver(".srt file", 11, "a.srt"),
        PassedOver("hidden file", 3, "._a.mp4"),
        PassedOver("data set", 1, "talks/set"),
        PassedOver("duplicate", 1, "/talks/new/a copy.mp4", "/talks/old/a.mp4"),
    ]
    assert told(rows) == (
        "passed over: 1 duplicate (/talks/new/a copy.mp4 is the same as ../old/a.mp4), 1 data set (talks/set), "
        "3 hidden files, 11 .srt files, 2 .jpg files"
    )
    many = [PassedOver(f".{number} file", 100 - number, "x") for number in range(14)]
    assert told(many).endswith(", 91 .9 files, 354 of other kinds")


def test_a_folder_without_a_video_says_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, "a.srt", "b.mp4.part")
    with pytest.raises(InputError) as caught:
        collect_sources([str(tmp_path)], None, False, "train")
    assert str(caught.value) == (
        f"folder {tmp_path} holds no video to run; passed over: 1 unfinished download ({tmp_path}/b.mp4.part), "
        f"1 .srt file ({tmp_path}/a.srt). A file that you name is tried whatever it is called"
    )
