"""People keep names of their own in letters, digits and `_`; a clip that gives no piece says what would give one."""

import re
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from talkmill.layouts.layout import Lengths
from talkmill.layouts.pieces import person_name, pieces_of


def test_people_whose_letters_are_no_ascii_stay_apart() -> None:
    people = ["王芳", "李娜", "Анна 2", "Пётр 2", "Jürgen", "Jörgen", "Jurgen"]
    names = [person_name(person) for person in people]
    assert len(set(names)) == len(people)
    assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)


def test_a_plain_name_stays_as_it_is() -> None:
    assert person_name("May B.") == "May_B"


@pytest.mark.parametrize("rate", [Fraction(16), Fraction(25), Fraction(30000, 1001)])
def test_who_asks_for_the_seconds_that_a_message_tells_gets_them(rate: Fraction) -> None:
    clip = SimpleNamespace(name="talk", person="", split="train", rate=rate)
    layout: Any = SimpleNamespace(name="any", rate=None, whole_runs=True)
    for count in range(1, 200):
        sound = np.zeros(round(count / rate * 16000), np.int16)
        material: Any = SimpleNamespace(
            clip=clip, set_rate=rate, valid=np.ones(count, bool), frame_count=count, samples=sound
        )
        message = pieces_of(material, layout, Lengths(1000), "talk")
        assert isinstance(message, str)
        told = Fraction(message.split(" s of it can be used")[0])
        assert told <= count / rate < told + Fraction("0.01")
        (piece,) = pieces_of(material, layout, Lengths(float(told)), "talk")
        assert (piece.first_frame, piece.end_frame) == (0, count)
