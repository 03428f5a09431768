"""Whether the background of a person's folder is that of its frames: AD-NeRF's heirs want a still camera."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from talkmill.arrays import Frame
from talkmill.layouts.checks.files import files_in
from talkmill.layouts.checks.media import check_picture
from talkmill.layouts.face_parts import BACKGROUND, is_part
from talkmill.layouts.layout import Finding

# So many frames of a clip are looked at, from the first to the last.
LOOKS = 12
# Pixels of 512 that are nearer to the person are not looked at: shadows, hair, and where a matte errs.
NEAR = 10
# A frame that shows less background than this share says nothing.
LEAST_SHARE = 0.01
# Levels of 255. Chosen: of seven test videos with a still camera the worst frames have 0 to 2, curtains in the wind and
# noise of a dark stage included; a slow pan has 35.
MOST_LEVELS = 8.0


def check_camera(root: Path, clip: Path) -> Iterator[Finding]:
    """Yield a finding where `bc.jpg` is not the background of the frames. Files that cannot be read are passed over.

    Args:
        root: Findings name files below it.
        clip: The person's folder.
    """
    name = "" if clip == root else f"{clip.name}/"
    background = _picture(root, f"{name}bc.jpg")
    stems = sorted(
        (Path(file).stem for file in files_in(clip / "ori_imgs", ".jpg")), key=lambda stem: (len(stem), stem)
    )
    found: dict[str, float] = {}
    for index in np.unique(np.linspace(0, len(stems) - 1, min(LOOKS, len(stems))).astype(int)).tolist():
        stem = stems[index]
        frame, parts = _picture(root, f"{name}ori_imgs/{stem}.jpg"), _picture(root, f"{name}parsing/{stem}.png")
        if background is None or frame is None or parts is None or not background.shape == frame.shape == parts.shape:
            continue
        levels = _levels_apart(frame, background, parts)
        if levels is not None:
            found[stem] = levels
    if found and max(found.values()) > MOST_LEVELS:
        worst = max(found, key=lambda stem: found[stem])
        yield Finding(
            f"{name}bc.jpg",
            f"differs from the background of ori_imgs/{worst}.jpg by {found[worst]:.0f} levels of 255: the camera "
            "moves, or the light changes",
            "use a video whose camera stands still",
        )


def _levels_apart(frame: Frame, background: Frame, parts: Frame) -> float | None:
    """Return the median of how far a frame is from the background where no person is near; None where that is nowhere.

    Half of the background may move, such as a screen or a tree.

    Args:
        frame: RGB (S, S, 3).
        background: RGB (S, S, 3).
        parts: (S, S, 3) of `talkmill.layouts.face_parts.parsing`.
    """
    side = 2 * max(1, round(NEAR * len(frame) / 512)) + 1
    empty = cv2.erode(is_part(parts, BACKGROUND).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    if empty.mean() < LEAST_SHARE:
        return None
    apart = np.abs(frame.astype(np.float32) - background.astype(np.float32)).mean(2)
    return float(np.median(apart[empty]))


def _picture(root: Path, file: str) -> Frame | None:
    """Return a picture in RGB; None where it cannot be read, which is a finding of whoever checks the file itself."""
    reading = check_picture(root, file)
    try:
        while True:
            next(reading)
    except StopIteration as ended:
        picture: Image.Image | None = ended.value
    return np.asarray(picture) if picture is not None and picture.mode == "RGB" else None
