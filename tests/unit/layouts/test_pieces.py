"""People keep names of their own in letters, digits and `_`."""

import re

from talkmill.layouts.pieces import person_name


def test_people_whose_letters_are_no_ascii_stay_apart() -> None:
    people = ["王芳", "李娜", "Анна 2", "Пётр 2", "Jürgen", "Jörgen", "Jurgen"]
    names = [person_name(person) for person in people]
    assert len(set(names)) == len(people)
    assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)


def test_a_plain_name_stays_as_it_is() -> None:
    assert person_name("May B.") == "May_B"
