from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmill.pipeline.naming import (
    InputError,
    NamedSource,
    collect_sources,
    distinct_sources,
    unique_names,
    with_plan,
)
from talkmill.pipeline.search import PassedOver


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def names(*inputs: object, **options: object) -> list[str]:
    values = {"person": None, "link": False, "split": "train"} | options
    return [
        source.name for source in unique_names(distinct_sources(collect_sources(map(str, inputs), **values)).sources)
    ]


def test_a_folder_gives_its_videos_in_order(tmp_path: Path) -> None:
    write(tmp_path / "b.mp4", "b")
    write(tmp_path / "a/c.MKV", "c")
    write(tmp_path / "readme.txt", "no")
    assert names(tmp_path) == ["c", "b"]


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    assert names(write(tmp_path / "video.bin", "x")) == ["video"]


def test_the_same_file_twice_is_one_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", "a")
    assert names(path, path, tmp_path) == ["a"]
    assert names(path, write(tmp_path / "copy/a.mp4", "a")) == ["a"]


def test_one_content_under_several_names_is_one_source(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, "a") for name in ("talk (1).mp4", "talk copy.mp4", "talk.mp4", "other/talk.mp4")]
    found = distinct_sources(collect_sources([str(tmp_path), "https://a.org/talk.mp4"], None, False, "train"))
    assert [source.uri for source in found.sources] == [str(paths[3]), "https://a.org/talk.mp4"]
    assert found.passed_over == (PassedOver("duplicate", 3, str(paths[0]), str(paths[3])),)
    # What the set holds is found there again, whatever it is called.
    held = distinct_sources(
        collect_sources([str(tmp_path)], None, False, "train"),
        {"talk_copy.1234": "x", "talk_copy": found.sources[0].sha256},
    )
    assert [source.uri for source in held.sources] == [str(paths[1])]


def test_other_content_under_one_name_is_told_apart(tmp_path: Path) -> None:
    found = names(write(tmp_path / "x/a.mp4", "1"), write(tmp_path / "y/a.mp4", "2"), write(tmp_path / "b.mp4", "3"))
    assert len(set(found)) == 3
    assert found[0].startswith("a.") and found[1].startswith("a.") and found[2] == "b"


def test_a_name_that_the_set_holds_for_something_else_is_avoided(tmp_path: Path) -> None:
    (source,) = collect_sources([str(write(tmp_path / "a.mp4", "1"))], None, False, "train").sources
    assert unique_names([source], {})[0].name == "a"
    assert unique_names([source], {"a": source.sha256})[0].name == "a"
    assert unique_names([source], {"a": "other"})[0].name == f"a.{source.sha256[:8]}"
    assert unique_names([source], {"A": "other"})[0].name == f"a.{source.sha256[:8]}"


def source(name: str, sha256: str) -> NamedSource:
    return NamedSource(name, f"{name}.mp4", f"/{sha256}/{name}.mp4", sha256, 1, None, False, "train")


def test_a_natural_name_that_equals_anothers_marked_name_is_told_apart() -> None:
    one, other = "1" * 64, "2" * 64
    named = unique_names([source("a", one), source("a", other), source("a.11111111", "3" * 64)])
    assert len({each.name for each in named}) == 3


def test_what_the_set_holds_keeps_its_name_there() -> None:
    one, other = "1" * 64, "2" * 64
    named = unique_names([source("a", one), source("a", other)], {"a": one})
    assert [each.name for each in named] == ["a", "a.22222222"]
    again = unique_names([source("a", one), source("a", other)], {"a": one, "a.22222222": other})
    assert [each.name for each in again] == ["a", "a.22222222"]


def test_two_sources_that_the_set_knows_by_one_name_are_told_apart() -> None:
    one = "1" * 64
    named = unique_names([source("a", one), source("a.11111111", one)], {"a.11111111": one})
    assert len({each.name for each in named}) == 2


def test_names_that_differ_in_capitals_are_told_apart() -> None:
    named = unique_names([source("Talk", "1" * 64), source("talk", "2" * 64)])
    assert len({each.name.casefold() for each in named}) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "A", "a.11111111", "a.1111111111111111", "a.22222222"]), st.sampled_from("123")
        ),
        max_size=8,
    ),
    st.dictionaries(st.sampled_from(["a", "a.11111111", "a.33333333"]), st.sampled_from("1239"), max_size=3),
)
def test_names_are_unique_whatever_is_run_into_whatever_set(
    given: list[tuple[str, str]], taken: dict[str, str]
) -> None:
    held = {name: digit * 64 for name, digit in taken.items()}
    named = unique_names([source(name, digit * 64) for name, digit in given], held)
    assert len({each.name.casefold() for each in named}) == len(named)
    assert all(held.get(each.name, each.identity) == each.identity for each in named)
    assert {each.identity for each in named} == {digit * 64 for _, digit in given}


def test_addresses_are_sources() -> None:
    (source,) = collect_sources(["https://example.org/talks/my%20talk.mp4?x=1"], "P", True, "test").sources
    assert (source.name, source.sha256, source.linked_person, source.split) == ("my_20talk", "", "P", "test")


@pytest.mark.parametrize("text", ["nothing.mp4", "ftp://example.org/a.mp4", "file:///etc/passwd"])
def test_what_cannot_be_run_is_named(text: str) -> None:
    with pytest.raises(InputError, match="neither a file, a folder nor"):
        collect_sources([text], None, False, "train")


def test_splits_by_person_do_not_depend_on_the_clip(tmp_path: Path) -> None:
    paths = [str(write(tmp_path / f"{name}.mp4", name)) for name in "abcdef"]
    found = collect_sources(paths, "OnePerson", False, "by-person").sources
    assert len({source.split for source in found}) == 1


def test_a_plan_gives_people_and_splits(tmp_path: Path) -> None:
    for name in ("RD_Radio1_000.mp4", "stranger.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    plan = {"RD_Radio1_000": ("Radio1", "test")}
    sources = collect_sources([str(tmp_path / "RD_Radio1_000.mp4")], None, False, "train").sources
    (source,) = with_plan(sources, plan, link=True)
    assert (source.person, source.split, source.linked_person) == ("Radio1", "test", "Radio1")
    with pytest.raises(InputError, match=r"does not name stranger\.mp4"):
        with_plan(collect_sources([str(tmp_path / "stranger.mp4")], None, False, "train").sources, plan, link=False)
