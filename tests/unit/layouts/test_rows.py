"""Rows of what is known of clips, as columns of one type, and the card of a set."""

import pytest
import yaml

from talkmill.layouts.card import MOST_ROWS, dataset_card
from talkmill.layouts.rows import columns_of, flat

MODEL = {"faceboxes-v2": "6d"}


def row(name: str, **changes: object) -> dict[str, object]:
    told = {
        "name": name,
        "split": "train",
        "person": name,
        "seconds": 360.0,
        "source": {"uri": f"https://host/{name}", "sha256": "0"},
        "licence": None,
        "models": MODEL,
        "notes": ["one"],
        "measurements": {"split": {"union_ratio": 1, "has_audio": True}},
    }
    return told | changes


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([1, None, 2], [1, None, 2]),
        ([1, 2.5], [1.0, 2.5]),
        ([True, "yes"], ["true", "yes"]),
        ([None, None], [None, None]),
    ],
)
def test_a_column_has_one_type(values: list[object], column: list[object]) -> None:
    assert columns_of([{"a": value} for value in values]) == {"a": column}
    assert [type(one) for one in columns_of([{"a": value} for value in values])["a"]] == [type(one) for one in column]


def test_a_value_that_a_row_lacks_is_none() -> None:
    assert columns_of([{"a": 1}, {"b": 2}]) == {"a": [1, None], "b": [None, 2]}


def test_a_row_holds_no_object() -> None:
    assert flat(row("a"))["split_union_ratio"] == 1
    assert flat(row("a"))["source_uri"] == "https://host/a"
    assert flat(row("a"))["notes"] == '["one"]'
    assert not [value for value in flat(row("a")).values() if isinstance(value, dict | list)]


def test_a_card_says_who_is_in_two_splits_and_what_licences_there_are() -> None:
    rows = [row("a", licence="CC BY 4.0"), row("b", person="a", split="test"), row("c|d")]
    card = dataset_card(rows, {"split_union_ratio": [1, 3, None]}, {"train": "data/train.parquet"})
    _, head, text = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "other"
    assert "3 clips, 18.0 min, 2 people, from 3 sources" in text
    assert "In two splits: 1 person." in text
    assert "| CC BY 4.0 | 1 | 1 | 6.0 min |" in text and "| not given | 2 | 2 | 12.0 min |" in text
    assert "| a | 2 | test, train | 12.0 min |" in text
    assert "| c\\|d | 1 | train | 6.0 min |" in text
    assert "| `split_union_ratio` | 2 | 1 | 2 | 3 |" in text
    assert "| faceboxes-v2 | MIT | 6d |" in text


@pytest.mark.parametrize(
    ("seconds", "told"), [(4.0, "4.0 s"), (59.94, "59.9 s"), (59.96, "1.0 min"), (3599, "1.0 h"), (148320, "41.2 h")]
)
def test_a_card_says_how_long_its_clips_last_in_the_unit_that_fits(seconds: float, told: str) -> None:
    assert f"1 clip, {told}, 1 person" in dataset_card([row("a", seconds=seconds)], {}, {})


def test_a_card_of_many_says_how_many_it_leaves_out() -> None:
    card = dataset_card([row(f"p{number:03}") for number in range(MOST_ROWS + 3)], {}, {})
    assert card.count("3 more in the tables") == 2
