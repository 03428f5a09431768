"""The list that an export keeps of its own files."""

import errno
import os
from pathlib import Path

import pytest

import talkmill.layouts.folder
from talkmill.files import write_whole
from talkmill.layouts.folder import ExportFolder, Part, StrangerError


def test_a_list_that_names_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x_export.jsonl").write_text('{"part": "p", "fingerprint": null, "files": ["../../etc/passwd"]}\n')
    with pytest.raises(ValueError, match="names files outside its folder"):
        ExportFolder(tmp_path, "x")
    (tmp_path / "x_export.jsonl").write_text("hello\n")
    with pytest.raises(ValueError, match="is not the list of an export"):
        ExportFolder(tmp_path, "x")


def test_a_line_that_a_kill_cut_short_is_passed_over(tmp_path: Path) -> None:
    part = Part("p", "1", ("a/b.txt",))
    ExportFolder(tmp_path, "x").write(part, lambda folder: (folder / "a/b.txt").write_text("1"))
    with (tmp_path / "x_export.jsonl").open("ab") as file:
        file.write(b'{"part": "q", "finge')
    again = ExportFolder(tmp_path, "x")
    assert again.holds(part)
    again.write(Part("q", "1", ("c.txt",)), lambda folder: (folder / "c.txt").write_text("1"))
    assert ExportFolder(tmp_path, "x").holds(part)


class Longer(bytes):
    """A line of which a full disk takes only a part."""

    def __len__(self) -> int:
        return 99


def write(target: ExportFolder, content: str, **changes: object) -> Part:
    """Write a part with a file and a folder, of which a trainer's scripts make another file."""
    part = Part(
        **({"name": "p", "fingerprint": content, "files": ("a.txt", "frames"), "preprocessed": ("emb/a.pt",)} | changes)
    )  # type: ignore[arg-type]

    def make(folder: Path) -> None:
        (folder / "a.txt").write_text(content)
        (folder / "frames").mkdir()
        for number in range(len(content)):
            (folder / f"frames/{number}.jpg").write_text(content)

    target.write(part, make)
    return part


def others(folder: Path) -> None:
    """Write what a trainer's scripts and the user add."""
    (folder / "emb").mkdir()
    (folder / "emb/a.pt").write_text("of the old a.txt")
    (folder / "frames/features.npy").write_text("of the old frames")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"x_export.jsonl"}


def test_what_others_made_of_a_part_is_set_aside_where_the_part_changes(tmp_path: Path) -> None:
    write(ExportFolder(tmp_path, "x"), "12")
    others(tmp_path)
    target = ExportFolder(tmp_path, "x")
    target.keep_only([write(target, "3")])
    assert files(tmp_path) == {"a.txt", "frames/0.jpg", "frames/features.npy.stale", "emb/a.pt.stale"}
    assert target.stale == ["emb/a.pt.stale", "frames/features.npy.stale"]
    assert (tmp_path / "frames/0.jpg").read_text() == "3"


def test_what_others_made_stays_where_the_same_bytes_are_written_again(tmp_path: Path) -> None:
    write(ExportFolder(tmp_path, "x"), "12")
    others(tmp_path)
    target = ExportFolder(tmp_path, "x")
    write(target, "12", fingerprint="another version")
    assert files(tmp_path) == {"a.txt", "frames/0.jpg", "frames/1.jpg", "frames/features.npy", "emb/a.pt"}
    assert not target.stale


def test_what_others_made_of_a_part_that_goes_away_is_kept(tmp_path: Path) -> None:
    write(ExportFolder(tmp_path, "x"), "12")
    others(tmp_path)
    ExportFolder(tmp_path, "x").keep_only([])
    assert files(tmp_path) == {"frames/features.npy.stale", "emb/a.pt.stale"}


def test_a_kill_between_two_files_of_a_part_loses_nothing_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ExportFolder(tmp_path, "x"), "12")
    others(tmp_path)
    move = talkmill.layouts.folder.move_durably

    def killed(source: Path, target: Path) -> None:
        if target.suffix == ".jpg":
            raise KeyboardInterrupt
        move(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("talkmill.layouts.folder.move_durably", killed)
        write(ExportFolder(tmp_path, "x"), "345")
    target = ExportFolder(tmp_path, "x")
    target.keep_only([write(target, "345")])
    frames = {f"frames/{number}.jpg" for number in range(3)}
    assert files(tmp_path) == {"a.txt", *frames, "frames/features.npy.stale", "emb/a.pt.stale"}


def test_what_somebody_edited_is_kept(tmp_path: Path) -> None:
    part = write(ExportFolder(tmp_path, "x"), "12")
    (tmp_path / "a.txt").write_text("mine")
    (tmp_path / "frames/1.jpg").write_text("mine")
    assert ExportFolder(tmp_path, "x").holds(part)
    write(ExportFolder(tmp_path, "x"), "3")
    (tmp_path / "a.txt").write_text("mine again")
    write(ExportFolder(tmp_path, "x"), "4")
    assert files(tmp_path) == {
        "a.txt", "a.txt.stale", "a.txt.1.stale", "frames/0.jpg", "frames/1.jpg.stale"
    }  # fmt: skip
    assert [(tmp_path / f"a.txt{ending}").read_text() for ending in ("", ".stale", ".1.stale")] == [
        "4",
        "mine",
        "mine again",
    ]


@pytest.mark.parametrize("at", ["set_aside", "unlink"])
def test_a_kill_before_something_is_set_aside_leaves_it_to_the_next_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Also where the new files are called as the old ones."""
    write(ExportFolder(tmp_path, "x"), "12")
    others(tmp_path)

    def killed(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    target = ExportFolder(tmp_path, "x")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(*((target, "_set_aside", killed) if at == "set_aside" else (Path, "unlink", killed)))
        write(target, "34")
    target = ExportFolder(tmp_path, "x")
    target.keep_only([write(target, "34")])
    assert files(tmp_path) == {"a.txt", "frames/0.jpg", "frames/1.jpg", "frames/features.npy.stale", "emb/a.pt.stale"}


def test_what_was_made_of_a_piece_that_is_called_otherwise_now_is_set_aside(tmp_path: Path) -> None:
    write(ExportFolder(tmp_path, "x"), "12")
    others(tmp_path)
    write(ExportFolder(tmp_path, "x"), "3", preprocessed=("emb/a_p00.pt",))
    assert (tmp_path / "emb/a.pt.stale").exists()


def test_a_part_that_failed_stays_as_it_was(tmp_path: Path) -> None:
    write(ExportFolder(tmp_path, "x"), "12")
    target = ExportFolder(tmp_path, "x")
    target.keep_only([], ["p", "q"])
    assert files(tmp_path) == {"a.txt", "frames/0.jpg", "frames/1.jpg"}
    ExportFolder(tmp_path, "x").keep_only([])
    assert not files(tmp_path)


def test_a_part_that_cannot_be_made_stays_as_it_was(tmp_path: Path) -> None:
    write(ExportFolder(tmp_path, "x"), "12")
    (tmp_path / "a.txt").write_text("mine")
    target = ExportFolder(tmp_path, "x")
    with pytest.raises(ZeroDivisionError):
        target.write(Part("p", "3", ("a.txt", "frames"), ("emb/a.pt",)), lambda folder: 1 / 0)
    target.keep_only([], ["p"])
    assert files(tmp_path) == {"a.txt", "frames/0.jpg", "frames/1.jpg"}
    write(ExportFolder(tmp_path, "x"), "3")
    assert (tmp_path / "a.txt").read_text() == "3"
    assert (tmp_path / "a.txt.stale").read_text() == "mine"


def test_half_a_line_on_a_full_disk_spoils_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = ExportFolder(tmp_path, "x")
    part = write(target, "12")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        # It says that it is longer than what is written of it.
        patch.setattr(talkmill.layouts.folder._Entry, "line", lambda entry: Longer(b'{"part": "p", "fing'))
        target.drop(part)
    assert ExportFolder(tmp_path, "x").holds(part)


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"No space left on device: .*c\.txt") as raised:
        ExportFolder(tmp_path, "x").write(Part("q", "1", ("c.txt",)), full)
    assert raised.value.errno == errno.ENOSPC


def test_what_the_user_puts_in_a_place_while_a_part_is_made_is_kept(tmp_path: Path) -> None:
    """A kill meanwhile leaves no claim of files that were never written."""
    part = Part("p", "1", ("a.txt", "frames"))

    def killed(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ExportFolder(tmp_path, "x").write(part, killed)
    (tmp_path / "a.txt").write_text("mine")
    target = ExportFolder(tmp_path, "x")
    with pytest.raises(StrangerError, match=r"a\.txt is there and was not written"):
        target.write(part, killed)
    target.keep_only([])

    def late(folder: Path) -> None:
        (folder / "b.txt").write_text("1")
        (tmp_path / "b.txt").write_text("mine")

    with pytest.raises(StrangerError, match=r"b\.txt is there and was not written"):
        target.write(Part("q", "1", ("b.txt",)), late)
    ExportFolder(tmp_path, "x").keep_only([])
    assert {name: (tmp_path / name).read_text() for name in files(tmp_path)} == {"a.txt": "mine", "b.txt": "mine"}


def test_what_a_kill_left_of_a_file_that_was_to_be_replaced_goes_away(tmp_path: Path) -> None:
    (tmp_path / ".mine.json").write_text("mine")
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr("talkmill.files.move_durably", interrupt)
        # What tidies up is not run by a kill.
        patch.setattr(Path, "unlink", interrupt)
        write_whole(tmp_path / "export.json", b"{}")
    assert len(files(tmp_path)) == 2
    ExportFolder(tmp_path, "x")
    assert files(tmp_path) == {".mine.json"}


def interrupt(*arguments: object, **named: object) -> None:
    raise KeyboardInterrupt


def test_a_folder_that_is_linked_to_another_disk_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file cannot be renamed from one disk to another, which is said here of two folders of one."""
    other, out = tmp_path / "other", tmp_path / "out"
    other.mkdir()
    out.mkdir()
    (out / "linked").symlink_to(other, target_is_directory=True)
    replace = Path.replace

    def on_two_disks(source: Path, target: Path) -> Path:
        if (other in source.resolve().parents) != (other in target.resolve().parents):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", on_two_disks)

    def make(folder: Path) -> None:
        (folder / "linked/a.txt").write_text("1")
        (folder / "linked/frames/deep").mkdir(parents=True)
        (folder / "linked/frames/deep/0.jpg").write_text("2")

    part = Part("p", "1", ("linked/a.txt", "linked/frames"))
    target = ExportFolder(out, "x")
    target.write(part, make)
    target.keep_only([part])
    assert {name: (other / name).read_text() for name in files(other)} == {"a.txt": "1", "frames/deep/0.jpg": "2"}
    for place in (other, other / "frames/deep"):
        (place / ".0123456789ab4cde8f00112233445566.jpg").write_text("half")
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr("talkmill.layouts.folder._put", interrupt)
        target.write(part, make)
    ExportFolder(out, "x").keep_only([])
    assert not files(other)
