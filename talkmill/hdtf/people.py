"""Finds clips of the same person, by name and by face."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from talkmill.dataset.names import split_of_person
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
    parent = {clip.name: clip.name for clip in clips}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for index, clip in enumerate(clips):
        for other in clips[:index]:
            same_name = clip.person == other.person
            if clip.name not in vectors or other.name not in vectors:
                joined = same_name
            else:
                distance = float(np.linalg.norm(vectors[clip.name] - vectors[other.name]))
                joined = distance < (TWO_PEOPLE if same_name else ONE_PERSON)
            if joined:
                parent[root(clip.name)] = root(other.name)
    groups: dict[str, list[PlannedClip]] = defaultdict(list)
    for clip in clips:
        groups[root(clip.name)].append(clip)
    names: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for key, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        name = Counter(member.person for member in members).most_common(1)[0][0]
        taken[name] += 1
        names[key] = name if taken[name] == 1 else f"{name}.{taken[name]}"
    notes: list[str] = []
    result: list[PlannedClip] = []
    for clip in clips:
        person = names[root(clip.name)]
        if person == clip.person:
            result.append(clip)
        else:
            notes.append(f"{clip.name}: {clip.person} by name, {person} by face")
            result.append(replace(clip, person=person, split=split_of_person(person)).flagged("PERSON_CORRECTED"))
    return result, notes
