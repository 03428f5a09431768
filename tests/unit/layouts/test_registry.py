"""Layouts by name."""

import sys

import pytest

from talkmill.layouts.registry import ExtraMissingError, UnknownLayoutError, layout_of


def test_a_layout_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "talkmill.layouts.parquet", raising=False)
    with pytest.raises(ExtraMissingError, match=r"parquet needs pyarrow.*pip install --editable '\.\[parquet\]'"):
        layout_of("parquet")


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(UnknownLayoutError, match=r"there is no layout 'wavlip'; there are .*wav2lip"):
        layout_of("wavlip")


def test_a_layout_of_another_command_names_the_command() -> None:
    with pytest.raises(UnknownLayoutError, match=r"otavatar is written by `talkmill dataset export SET --out DIR`"):
        layout_of("otavatar")
