"""The background of a person's folder is compared with that of its frames."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from talkmill.layouts.checks.still_camera import check_camera

SIZE = 128


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twenty frames of a person who sways in front of a wall with noise, which a screen of a third plays on."""
    random = np.random.default_rng(0)
    wall = cv2.GaussianBlur(random.integers(0, 256, (SIZE, SIZE, 3)).astype(np.float32), (9, 9), 0) * 2 - 128
    for name in ("ori_imgs", "parsing"):
        (tmp_path / "ann" / name).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "ann/bc.jpg"), np.clip(wall, 0, 255))
    for number in range(20):
        frame = wall + random.normal(0, 2, wall.shape)
        frame[:40] = random.integers(0, 256, (40, SIZE, 3))
        parts = np.full(wall.shape, 255, np.uint8)
        person = np.s_[50:, 40 + number : 80 + number]
        frame[person], parts[person] = 10, (255, 0, 0)
        write(tmp_path / f"ann/ori_imgs/{number}.jpg", frame)
        write(tmp_path / f"ann/parsing/{number}.png", parts)
    return tmp_path / "ann"


def write(path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))


def found(clip: Path) -> list[str]:
    return [f"{one.file} {one.what}" for one in check_camera(clip.parent, clip)]


def test_a_camera_that_stands_still_is_no_finding(clip: Path) -> None:
    assert found(clip) == []


def test_a_camera_that_pans_is_told_by_the_frame_that_is_farthest(clip: Path) -> None:
    for number in range(20):
        path = clip / f"ori_imgs/{number}.jpg"
        write(path, np.roll(cv2.imread(str(path)), number // 2, axis=1))
    (told,) = found(clip)
    assert told.startswith("ann/bc.jpg differs from the background of ori_imgs/")
    assert int(told.split("ori_imgs/")[1].split(".jpg")[0]) > 5


def test_a_light_that_changes_is_told(clip: Path) -> None:
    path = clip / "ori_imgs/19.jpg"
    write(path, cv2.imread(str(path)).astype(np.float32) + 30)
    (told,) = found(clip)
    assert "ori_imgs/19.jpg by" in told


@pytest.mark.parametrize("file", ["bc.jpg", "ori_imgs/19.jpg", "parsing/19.png"])
@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_what_cannot_be_read_is_left_to_others(clip: Path, file: str, content: bytes | None) -> None:
    write(clip / "ori_imgs/19.jpg", np.full((SIZE, SIZE, 3), 255))
    (clip / file).unlink() if content is None else (clip / file).write_bytes(content)
    assert found(clip) == []


def test_a_frame_that_is_filled_by_the_person_says_nothing(clip: Path) -> None:
    write(clip / "ori_imgs/19.jpg", np.full((SIZE, SIZE, 3), 255))
    write(clip / "parsing/19.png", np.zeros((SIZE, SIZE, 3)))
    assert found(clip) == []


def test_pictures_of_other_sizes_say_nothing(clip: Path) -> None:
    write(clip / "ori_imgs/19.jpg", np.full((SIZE // 2, SIZE, 3), 255))
    assert found(clip) == []


def test_a_folder_without_pictures_is_no_finding(tmp_path: Path) -> None:
    assert list(check_camera(tmp_path, tmp_path)) == []
