"""HDTF's own lists to a plan: their files, their spelling, and their gaps.

Source: Zhang et al., "Flow-guided one-shot talking face generation with a high-resolution audio-visual dataset", CVPR
2021 (HDTF); the lists of github.com/MRzzm/HDTF, CC-BY-4.0.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from talkmill.address import without_secrets
from talkmill.dataset.names import slug, split_of_person
from talkmill.hdtf.groups import group_numbers
from talkmill.pipeline.plan import CropRegion, ListError, PlannedClip, seconds_of

PARTS = ("RD", "WDA", "WRA")
# "annotion" is their spelling.
KINDS = ("video_url", "annotion_time", "crop_wh", "resolution")
# No frame of these videos is wider.
WIDEST_ASPECT = 16 / 9

# The test list that papers share: 19 clips, the first of each video.
TEST_LISTS = {
    "hdtf19": tuple(
        f"{name}_000"
        for name in (
            "WRA_ReneeEllmers",
            "WRA_GeoffDavis",
            "WDA_MikeDoyle",
            "WRA_JoePitts",
            "WRA_TimScott",
            "WRA_JohnThune",
            "WRA_ToddYoung",
            "WRA_RoyBlunt",
            "WDA_CatherineCortezMasto",
            "WRA_ErikPaulsen",
            "WRA_TomPrice",
            "WRA_TomCotton",
            "WRA_EricCantor",
            "WRA_RichardShelby",
            "WRA_RobPortman",
            "WDA_MartinHeinrich",
            "WRA_DeanHeller",
            "WRA_VickyHartzler",
            "WRA_ReincePriebus",
        )
    )
}


def read_lists(folder: Path) -> tuple[list[PlannedClip], list[str]]:
    """Read HDTF's lists.

    Args:
        folder: Folder with `{RD,WDA,WRA}_{video_url,annotion_time,crop_wh,resolution}.txt`.

    Returns:
        One clip a time range, split by person, and notes on what the lists lack.

    Raises:
        ListError: A file is missing, or a row is not what it should be.
    """
    missing = [name for part in PARTS for kind in KINDS if not (folder / (name := f"{part}_{kind}.txt")).is_file()]
    if missing:
        raise ListError(f"{folder} lacks {', '.join(missing)}; give a checkout of github.com/MRzzm/HDTF")
    clips: list[PlannedClip] = []
    notes: list[str] = []
    for part in PARTS:
        urls, times, crops, heights = (_rows(folder / f"{part}_{kind}.txt") for kind in KINDS)
        notes += [f"{part}_{video} has no time range: it gives no clip" for video in urls if video not in times]
        notes += [f"{part}_{video} has no address: it gives no clip" for video in times if video not in urls]
        for video in urls:
            height = _number(heights.get(video, ["0"])[0], f"{part}_resolution.txt, {video}")
            for index, text in enumerate(times.get(video, [])):
                row = crops.get(f"{video}_{index}")
                clips.append(_clip(part, video, index, urls[video][0], text, row, height))
    people = merge_people({clip.name: (clip.person, clip.url) for clip in clips})
    merged = {clip.person: people[clip.name] for clip in clips if people[clip.name] != clip.person}
    notes += [f"{one} and {other} are one person: they are seen in the same video" for one, other in merged.items()]
    clips = [replace(clip, person=people[clip.name], split=split_of_person(people[clip.name])) for clip in clips]
    flagged = sum(bool(clip.flags) for clip in clips)
    notes.append(f"{flagged} of {len(clips)} rows are suspicious: see the column `flags`")
    return clips, notes


def with_test_list(clips: Sequence[PlannedClip], name: str, without_leaks: bool) -> tuple[list[PlannedClip], list[str]]:
    """Split by a published test list.

    Args:
        clips: A plan of HDTF.
        name: A list of TEST_LISTS.
        without_leaks: Leave out clips of the list's people that are not in it.

    Returns:
        The plan, and a warning for each person who is in both splits.

    Raises:
        ListError: A clip of the list is not in the plan.
    """
    wanted = set(TEST_LISTS[name])
    missing = wanted - {clip.name for clip in clips}
    if missing:
        raise ListError(f"the plan lacks {', '.join(sorted(missing))} of the test list {name}")
    people = {clip.person for clip in clips if clip.name in wanted}
    result, leaks = [], defaultdict(list)
    for clip in clips:
        if clip.name in wanted:
            result.append(replace(clip, split="test"))
        elif clip.person not in people:
            result.append(replace(clip, split="train"))
        else:
            leaks[clip.person].append(clip.name)
            if not without_leaks:
                result.append(replace(clip, split="train").flagged("PERSON_LEAKS"))
    action = "are left out" if without_leaks else "are in train: --without-leaks leaves them out"
    return result, [f"{person} is in the test list and {', '.join(names)} {action}" for person, names in leaks.items()]


def merge_people(clips: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Give one person to clips that share a person or a video.

    Args:
        clips: Name of a clip to the person by name, and the address of the video.

    Returns:
        Name of a clip to its person: of all the names that were joined, the shortest.
    """
    people = list(dict.fromkeys(person for person, _ in clips.values()))
    items = {("person", person): number for number, person in enumerate(people)}
    pairs = [(items["person", person], items.setdefault(("video", url), len(items))) for person, url in clips.values()]
    numbers = group_numbers(len(items), pairs)
    group = {person: numbers[items["person", person]] for person in people}
    chosen: dict[int, str] = {}
    for person in sorted(people, key=lambda name: (len(name), name)):
        chosen.setdefault(group[person], person)
    return {name: chosen[group[person]] for name, (person, _) in clips.items()}


def plain_url(url: str) -> str:
    """Return the address of a video without parameters that are not part of its name."""
    parts = urlsplit(url)
    video = parse_qs(parts.query).get("v")
    return parts._replace(query=f"v={video[0]}", fragment="").geturl() if video else url


def _rows(path: Path) -> dict[str, list[str]]:
    """Read a list: name without `.mp4` to the other words of its row."""
    found: dict[str, list[str]] = {}
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) < 2:
            raise ListError(f"{path.name}, line {number}: {without_secrets(line)!r} has a name and nothing else")
        found[words[0].removesuffix(".mp4")] = words[1:]
    return found


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ListError(f"{where}: {text!r} is not a number") from None


def _clip(
    part: str, video: str, index: int, url: str, times: str, crop_row: Sequence[str] | None, height: float
) -> PlannedClip:
    where = f"{part}_annotion_time.txt, {video}"
    try:
        start, end = map(seconds_of, times.split("-"))
    except ValueError:
        raise ListError(f"{where}: {times!r} is not mm:ss-mm:ss") from None
    name = f"{part}_{slug(video)}_{index:03}"
    person = video if part == "RD" else re.sub(r"\d+$", "", video)
    clip = PlannedClip(name, plain_url(url), start, end, slug(person))
    if end <= start:
        clip = clip.flagged("TIMES_BACKWARDS")
    if crop_row is None:
        return clip.flagged("CROP_MISSING")
    x, width, y, crop_height = (_number(word, f"{part}_crop_wh.txt, {video}_{index}") for word in _four(crop_row))
    clip = replace(clip, crop=CropRegion(x, y, width, crop_height, height))
    if not height:
        return clip.flagged("RESOLUTION_UNKNOWN")
    if y + crop_height > height or x + width > height * WIDEST_ASPECT + 1:
        return clip.flagged("CROP_OUTSIDE_FRAME")
    return clip


def _four(words: Iterable[str]) -> list[str]:
    found = list(words)
    if len(found) != 4:
        raise ListError(f"a crop of {len(found)} numbers, four are wanted: {' '.join(found)}")
    return found
