"""HDTF's published lists to a plan: what is known of the set comes out."""

import shutil
from pathlib import Path

import pytest

from talkmill.hdtf.lists import read_lists, with_test_list
from talkmill.pipeline.plan import CropRegion, ListError, PlannedClip, read_table, write_plan


@pytest.fixture(scope="module")
def clips(assets: Path) -> list[PlannedClip]:
    return read_lists(assets / "hdtf")[0]


def test_hdtf_has_the_clips_hours_people_and_gaps_that_are_known(clips: list[PlannedClip]) -> None:
    assert len(clips) == 436
    assert len({clip.name for clip in clips}) == 436
    assert len({clip.url for clip in clips}) == 368  # one of 369 videos has no times
    assert sum((clip.end_seconds or 0) - clip.start_seconds for clip in clips) / 3600 == pytest.approx(17.07, abs=0.005)
    # 276 by name, two of whom are one person: they are seen in the same video.
    assert len({clip.person for clip in clips}) == 275
    assert sum("CROP_MISSING" in clip.flags for clip in clips) == 15
    assert [clip.name for clip in clips if "RESOLUTION_UNKNOWN" in clip.flags] == [
        "WRA_KevinMcCarthy1_000",
        "WRA_KevinMcCarthy1_001",
    ]
    assert {clip.name for clip in clips if "CROP_OUTSIDE_FRAME" in clip.flags} == {
        "WDA_MaggieHassan_000",
        "WDA_MazieHirono1_000",
        "WRA_PeterKing_000",
    }


def test_a_row_says_what_its_lists_say(clips: list[PlannedClip]) -> None:
    clip = next(clip for clip in clips if clip.name == "RD_Radio11_001")
    assert (clip.start_seconds, clip.end_seconds) == (90, 150)
    assert clip.crop == CropRegion(557, 0, 478, 478, 720)
    assert clip.crop.scaled_to(360) == CropRegion(278.5, 0, 239, 239, 360)
    # A byte-order mark, and parameters that are not part of the video's name.
    assert any(clip.name == "WDA_CarolynMaloney2_000" for clip in clips)
    assert not any("&" in clip.url for clip in clips)


def test_splits_are_disjoint_by_person(clips: list[PlannedClip]) -> None:
    people = {split: {clip.person for clip in clips if clip.split == split} for split in ("train", "test")}
    assert not people["train"] & people["test"]
    assert 0.05 < len(people["test"]) / 275 < 0.15


def test_the_test_list_names_who_leaks(clips: list[PlannedClip]) -> None:
    split, warnings = with_test_list(clips, "hdtf19", without_leaks=False)
    assert len(split) == 436
    test = [clip for clip in split if clip.split == "test"]
    assert len(test) == 19
    assert all(clip.name.endswith("_000") for clip in test)
    leaking = [clip.name for clip in split if "PERSON_LEAKS" in clip.flags]
    assert leaking == ["WRA_ErikPaulsen_001", "WRA_ErikPaulsen_002", "WRA_ErikPaulsen_003"]
    assert len(warnings) == 1
    clean, _ = with_test_list(clips, "hdtf19", without_leaks=True)
    assert len(clean) == 433
    assert not {clip.person for clip in clean if clip.split == "train"} & {clip.person for clip in test}


def test_a_plan_is_read_as_it_was_written(clips: list[PlannedClip], tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.csv", clips)
    assert read_table(tmp_path / "plan.csv") == clips


def test_a_list_with_a_bad_row_says_where(tmp_path: Path, assets: Path) -> None:
    shutil.copytree(assets / "hdtf", tmp_path / "lists")
    path = tmp_path / "lists" / "RD_annotion_time.txt"
    path.chmod(0o644)
    path.write_text("Radio1.mp4 0020-01:35x\n")
    with pytest.raises(ListError, match=r"RD_annotion_time.txt, Radio1: '0020-01:35x'"):
        read_lists(tmp_path / "lists")
    path.unlink()
    with pytest.raises(ListError, match=r"lacks RD_annotion_time\.txt"):
        read_lists(tmp_path / "lists")
