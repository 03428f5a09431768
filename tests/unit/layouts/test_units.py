"""Expressions as tables: what is measured where, and under which name a trainer reads it."""

import csv
import io

import numpy as np
import pytest

from talkmill.landmarks.eyes import blinks
from talkmill.layouts.units import BLENDSHAPES, FITTED, action_units, blendshapes, closure, openface_table, units_of

COUNT = 40
# Of the subject's right and left eye: open, with a blink of five frames.
OPENING = np.full((COUNT, 2), 0.3)
OPENING[10:15] = 0.05
STILL = np.zeros((COUNT, 2, 2))


def units(**given: float) -> dict[str, np.ndarray]:
    return {name: np.full(COUNT, given.get(name, 0.0)) for name in FITTED}


def test_columns_are_where_synctalk_reads_them() -> None:
    assert len(BLENDSHAPES) == len(set(BLENDSHAPES)) == 52
    upper = (*BLENDSHAPES[:5], *BLENDSHAPES[8:10])
    assert upper == (
        *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
        *("eyeBlinkLeft", "eyeBlinkRight"),
    )


def test_lids_are_measured_and_not_smoothed() -> None:
    shapes = blendshapes(units(browInnerUp=0.4), OPENING, STILL)
    assert shapes.shape == (COUNT, 52) and shapes.min() >= 0 and shapes.max() <= 1
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        lids = shapes[:, BLENDSHAPES.index(name)]
        assert np.allclose(lids[10:15], 1 - 0.05 / 0.3) and not np.delete(lids, slice(10, 15)).any()
    assert np.allclose(shapes[:, BLENDSHAPES.index("browInnerUp")], 0.4)


def test_each_eye_has_its_own_lids() -> None:
    opening = OPENING.copy()
    opening[:, 1] = 0.2
    right, left = closure(opening).T
    assert right[12] > 0.8 and not left.any()


def test_half_of_the_opening_is_where_a_blink_begins() -> None:
    opening = np.full((COUNT, 2), 0.3)
    opening[20], opening[30] = 0.16, 0.14
    lids = action_units(blendshapes(units(), opening, STILL), np.zeros(COUNT))["AU45"]
    assert [slice(30, 31)] == blinks(opening, np.ones(COUNT, bool))
    assert np.flatnonzero(lids > 1).tolist() == [30]


def test_gaze_to_the_subjects_left_is_in_for_the_right_eye() -> None:
    gaze = STILL.copy()
    gaze[5, :, 0], gaze[7, :, 1] = 0.1, -0.3
    shapes = blendshapes(units(), OPENING, gaze)
    at = {name: shapes[:, index] for index, name in enumerate(BLENDSHAPES)}
    seen = {name: np.flatnonzero(at[name]).tolist() for name in BLENDSHAPES if name.startswith("eyeLook")}
    assert seen == {
        "eyeLookDownLeft": [], "eyeLookDownRight": [], "eyeLookInLeft": [], "eyeLookInRight": [5],
        "eyeLookOutLeft": [5], "eyeLookOutRight": [], "eyeLookUpLeft": [7], "eyeLookUpRight": [7],
    }  # fmt: skip
    assert at["eyeLookInRight"][5] == pytest.approx(0.5) and at["eyeLookUpLeft"][7] == 1


def test_a_whole_unit_is_intensity_five() -> None:
    found = action_units(
        blendshapes(units(browDownLeft=1.0, jawOpen=1.7, mouthFrownLeft=-0.2), OPENING, STILL), np.full(COUNT, 0.1)
    )
    assert [found[unit][0] for unit in ("AU04", "AU26", "AU15", "AU25")] == pytest.approx([2.5, 5, 0, 1.25])
    assert found["AU45"].max() == pytest.approx(2 * (1 - 0.05 / 0.3))


def test_a_head_without_the_units_is_refused() -> None:
    with pytest.raises(KeyError, match="browDownLeft"):
        units_of([f"expression{number:02}" for number in range(79)], np.zeros((COUNT, 79)))


def test_ict_names_sides_otherwise() -> None:
    names = [name.replace("Left", "_L").replace("Right", "_R") for name in FITTED if name != "browInnerUp"]
    # Jaw and mouth as a whole go to a side; they have no twin.
    names = [
        {"jaw_L": "jawLeft", "jaw_R": "jawRight", "mouth_L": "mouthLeft", "mouth_R": "mouthRight"}.get(name, name)
        for name in names
    ]
    values = np.arange(float(len(names) + 2))[None]
    found = units_of([*names, "browInnerUp_L", "browInnerUp_R"], values)
    assert found["browInnerUp"] == len(names) + 0.5
    assert all(found[name] == index for index, name in enumerate(name for name in FITTED if name != "browInnerUp"))


def test_the_table_is_read_as_openfaces() -> None:
    valid = np.arange(COUNT) != 3
    text = openface_table(
        action_units(blendshapes(units(), OPENING, STILL), np.zeros(COUNT)), np.full(COUNT, 0.9), valid, 25.0
    )
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == COUNT
    assert all(f" AU{unit:02}_r" in rows[0] for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45))
    assert (rows[12]["frame"], float(rows[12][" timestamp"])) == ("13", 0.48)
    assert float(rows[12][" AU45_r"]) == pytest.approx(1.667) and float(rows[0][" AU45_r"]) == 0
    assert [int(row[" success"]) for row in rows] == valid.tolist()
    assert {row[" source"] for row in rows} == {" talkmill"}
