"""Finds clips of the same person, by name and by face."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from talkmill.arrays import Float64Array
from talkmill.dataset.names import split_of_person
from talkmill.hdtf.groups import group_numbers
from talkmill.pipeline.plan import PlannedClip

# Distances of mean embeddings over the test clips: halves of one clip 0.08 to 0.26, two videos of one man 0.30, two
# people 0.46 (one pair) and more than 0.6 (all others).
ONE_PERSON, TWO_PEOPLE = 0.35, 0.6


def correct_people(
    clips: Sequence[PlannedClip], embeddings: Mapping[str, Sequence[float]]
) -> tuple[list[PlannedClip], list[str]]:
    """Confirm or correct the people of a plan by their faces.

    Clips of one name stay together unless their faces differ by more than TWO_PEOPLE; clips of different names are
    joined where their faces differ by less than ONE_PERSON.

    Args:
        clips: The plan.
        embeddings: Name of a clip to the vector of its face; clips without one keep their person.

    Returns:
        The plan with one person a face, split by person anew, and what was changed.
    """
    vectors = {name: np.asarray(vector, np.float64) for name, vector in embeddings.items() if len(vector)}
    pairs = [
        (index, before)
        for index, clip in enumerate(clips)
        for before, other in enumerate(clips[:index])
        if _joined(clip, other, vectors)
    ]
    numbers = group_numbers(len(clips), pairs)
    groups: dict[int, list[PlannedClip]] = defaultdict(list)
    for number, clip in zip(numbers, clips, strict=True):
        groups[number].append(clip)
    names: dict[int, str] = {}
    taken: Counter[str] = Counter()
    for number, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        name = Counter(member.person for member in members).most_common(1)[0][0]
        taken[name] += 1
        names[number] = name if taken[name] == 1 else f"{name}.{taken[name]}"
    notes: list[str] = []
    result: list[PlannedClip] = []
    for number, clip in zip(numbers, clips, strict=True):
        person = names[number]
        if person == clip.person:
            result.append(clip)
        else:
            notes.append(f"{clip.name}: {clip.person} by name, {person} by face")
            result.append(replace(clip, person=person, split=split_of_person(person)).flagged("PERSON_CORRECTED"))
    return result, notes


def _joined(clip: PlannedClip, other: PlannedClip, vectors: Mapping[str, Float64Array]) -> bool:
    """Say whether two clips show one person, as far as these two tell."""
    same_name = clip.person == other.person
    if clip.name not in vectors or other.name not in vectors:
        return same_name
    distance = float(np.linalg.norm(vectors[clip.name] - vectors[other.name]))
    return distance < (TWO_PEOPLE if same_name else ONE_PERSON)
