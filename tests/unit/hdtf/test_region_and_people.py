"""Where a clip's crop lies, and who is who."""

import numpy as np
import numpy.typing as npt
import pytest

from talkmill.hdtf.people import correct_people
from talkmill.hdtf.region import FACE_SHARE, NoFaceInClipError, choose_region
from talkmill.pipeline.plan import CropRegion, PlannedClip


def face(x: float, y: float, side: float = 100) -> npt.NDArray[np.float32]:
    return np.array([[x - side / 2, y - side / 2, x + side / 2, y + side / 2]], np.float32)


NOTHING = np.zeros((0, 4), np.float32)


def test_a_crop_is_scaled_to_the_resolution_that_came() -> None:
    region = choose_region(CropRegion(400, 0, 480, 480, 720), 640, 360, [face(320, 120)] * 8)
    assert region.box == (200, 0, 240, 240)
    assert region.flags == ()


def test_a_crop_outside_the_frame_is_cut_and_marked() -> None:
    region = choose_region(CropRegion(900, 0, 480, 480, 720), 1280, 720, [face(1100, 200)] * 8)
    assert region.box == (900, 0, 380, 480)
    assert region.flags == ("CROP_OUTSIDE_FRAME",)


def test_a_crop_without_a_face_is_computed_from_the_face() -> None:
    faces = [face(1000 + k, 300) for k in range(8)]
    region = choose_region(CropRegion(0, 0, 300, 300, 720), 1280, 720, faces)
    assert region.flags == ("NO_FACE_INSIDE", "CROP_COMPUTED")
    x, _y, width, height = region.box
    assert width == height == pytest.approx(100 / FACE_SHARE + 7, abs=1)
    assert x + width / 2 == pytest.approx(1003.5, abs=1)


@pytest.mark.parametrize("crop", [None, CropRegion(10, 10, 300, 300, 0)])
def test_a_missing_crop_is_computed_and_stays_in_the_frame(crop: CropRegion | None) -> None:
    region = choose_region(crop, 1280, 720, [face(60, 60)] * 6 + [NOTHING, face(900, 600, 150)])
    assert region.box[:2] == (0, 0)
    assert region.flags == ("CROP_COMPUTED",)


def test_no_face_anywhere_is_an_error() -> None:
    with pytest.raises(NoFaceInClipError, match="3 of 8"):
        choose_region(None, 1280, 720, [face(60, 60)] * 3 + [NOTHING] * 5)


def clip(name: str, person: str) -> PlannedClip:
    return PlannedClip(name, f"http://site.example/{name}", 0, 1, person)


def test_faces_confirm_and_correct_names() -> None:
    clips = [
        clip("a0", "Ann"),
        clip("a1", "Ann"),
        clip("a2", "Ann"),
        clip("b", "Bea"),
        clip("c", "Cia"),
        clip("d", "Dan"),
    ]
    embeddings = {"a0": [0.0, 0], "a1": [0.3, 0], "a2": [2.0, 0], "b": [0.1, 0], "c": [0.0, 5.0]}
    corrected, notes = correct_people(clips, embeddings)
    assert [found.person for found in corrected] == ["Ann", "Ann", "Ann.2", "Ann", "Cia", "Dan"]
    assert len(notes) == 2
    assert corrected[2].flags == ("PERSON_CORRECTED",)
    assert corrected[0] == clips[0]
