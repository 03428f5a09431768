"""When each picture is shown, by the stamps that there are; and which pictures damage reaches."""

import numpy as np
import pytest

from talkmill.video.container import StreamChoice
from talkmill.video.limits import DEFAULT_LIMITS
from talkmill.video.packets import PacketIndex, StreamPackets
from talkmill.video.timeline import damaged_pictures, timeline

NONE = np.nan


def index_of(
    decoding: list[float],
    key: list[int] | None = None,
    section: list[int] | None = None,
    offsets: tuple[float, ...] = (0.0,),
    hidden: tuple[int, ...] = (),
) -> PacketIndex:
    """The packets of a file at 25 frames a second."""
    count = len(decoding)
    rows = np.arange(count)
    sections = np.zeros(count, np.int64) if section is None else np.array(section)
    nothing = np.empty(0)
    return PacketIndex(
        choice=StreamChoice(0, None),
        picture=StreamPackets(np.full(count, NONE), np.array(decoding), rows, sections),
        sound=StreamPackets(nothing, nothing, nothing.astype(np.int64), nothing.astype(np.int64)),
        key=np.isin(rows, [0] if key is None else key),
        hidden=np.isin(rows, hidden),
        size_bytes=np.ones(count, np.int64),
        offsets=np.array(offsets),
        rate=25.0,
        codec="h264",
        header_size=(96, 64),
        limits=DEFAULT_LIMITS,
    )


def test_stamps_of_presentation_are_taken() -> None:
    presentation = np.array([1.0, 1.04, 1.1, 1.5])
    # Those of decoding rise too, but are those of other packets.
    decoding = np.array([0.9, 0.94, 0.98, 1.02])
    line = timeline(np.array([0, 2, 1, 3]), presentation, decoding, index_of([0.9, 0.94, 0.98, 1.02]))
    assert line.stamped
    assert line.times == pytest.approx(presentation)
    assert line.kept.all()


def test_where_there_are_none_those_of_decoding_are_taken_from_the_first_pictures_own() -> None:
    """A decoder that reorders gives its first picture when it has read two more packets."""
    own = [0.0, 0.04, 0.08, 0.12, 0.16, 0.2]
    line = timeline(np.array([0, 2, 1, 3]), np.full(4, NONE), np.array([0.08, 0.12, 0.16, 0.2]), index_of(own))
    assert not line.stamped
    assert line.times == pytest.approx([0.0, 0.04, 0.08, 0.12])


def test_one_presentation_stamp_that_is_missing_is_not_guessed() -> None:
    decoding = np.array([0.0, 0.04, 0.08, 0.12])
    line = timeline(np.arange(4), np.array([0.0, NONE, 0.08, 0.12]), decoding, index_of(list(decoding)))
    assert not line.stamped
    assert line.times == pytest.approx(decoding)


def test_the_stamps_that_rise_more_steadily_are_taken() -> None:
    """.avi hands the order of decoding on as if it were that of presentation."""
    decoding = np.array([0.0, 0.04, 0.08, 0.12, 0.16])
    presentation = np.array([0.0, 0.12, 0.04, 0.08, 0.2])
    line = timeline(np.arange(5), presentation, decoding, index_of(list(decoding)))
    assert not line.stamped
    assert line.times == pytest.approx(decoding)
    # The other way round they are not.
    assert timeline(np.arange(5), decoding, presentation, index_of(list(presentation))).stamped


def test_without_any_stamps_pictures_are_counted() -> None:
    line = timeline(np.arange(4), np.full(4, NONE), np.full(4, NONE), index_of([NONE] * 4))
    assert line.times == pytest.approx([0, 0.04, 0.08, 0.12])
    assert not line.stamped


def test_a_picture_that_does_not_come_after_the_others_has_no_place() -> None:
    presentation = np.array([0.0, 0.04, 0.04, 0.02, 0.03, 0.08])
    line = timeline(np.arange(6), presentation, np.full(6, NONE), index_of([NONE] * 6))
    assert line.kept.tolist() == [True, True, False, False, False, True]
    assert np.isnan(line.times[~line.kept]).all()
    assert line.times[line.kept] == pytest.approx([0.0, 0.04, 0.08])


def test_each_stamp_is_put_on_the_clock_of_its_packet() -> None:
    """The picture of the fourth packet is shown before that of the third, on the second clock."""
    index = index_of([10.0, 10.04, 1.0, 1.04], section=[0, 0, 1, 1], offsets=(0.0, 9.08))
    line = timeline(np.array([0, 1, 3, 2]), np.array([10.0, 10.04, 1.0, 1.04]), np.full(4, NONE), index)
    assert line.times == pytest.approx([10.0, 10.04, 10.08, 10.12])


def test_a_part_of_a_file_is_on_the_clock_of_its_own_packets() -> None:
    index = index_of([10.0, 10.04, 1.0, 1.04], section=[0, 0, 1, 1], offsets=(0.0, 9.08))
    line = timeline(np.array([2, 3]), np.array([1.0, 1.04]), np.full(2, NONE), index)
    assert line.times == pytest.approx([10.08, 10.12])


def damage(
    pictures: list[int], failed: list[int], key: list[int], hidden: tuple[int, ...] = ()
) -> tuple[list[int], int]:
    """The packets of the damaged pictures, and the number of the lost."""
    packets = np.array(pictures)
    index = index_of([0.04 * one for one in range(12)], key, hidden=hidden)
    damaged, lost = damaged_pictures(packets, failed, index)
    return packets[damaged].tolist(), lost


def test_pictures_between_a_lost_one_and_the_next_key_frame_are_damaged() -> None:
    pictures = [one for one in range(12) if one != 5]
    assert damage(pictures, [5], key=[0, 4, 8]) == ([6, 7], 1)
    assert damage(pictures, [5], key=[0, 4]) == ([6, 7, 8, 9, 10, 11], 1)


def test_a_report_that_comes_late_is_of_the_packet_that_gave_no_picture() -> None:
    pictures = [one for one in range(12) if one != 5]
    assert damage(pictures, [7], key=[0, 4, 8]) == ([6, 7], 1)
    # At the end of the file the decoder is asked once more for what it holds.
    assert damage(pictures, [-1], key=[0, 4, 8]) == ([6, 7], 1)


def test_a_lost_key_frame_damages_what_leans_on_it() -> None:
    assert damage([one for one in range(12) if one != 4], [4], key=[0, 4, 8]) == ([5, 6, 7], 1)


def test_what_an_edit_list_hides_is_not_lost() -> None:
    assert damage([one for one in range(12) if one not in (1, 5)], [5], key=[0, 4, 8], hidden=(1,)) == ([6, 7], 1)


def test_two_reports_are_of_two_packets() -> None:
    pictures = [one for one in range(12) if one not in (1, 9)]
    assert damage(pictures, [1, 10], key=[0, 4, 8]) == ([2, 3, 10, 11], 2)


def test_a_packet_that_gives_no_picture_unreported_is_no_damage() -> None:
    """A skipped one, or one before the first key frame."""
    assert damage([one for one in range(2, 12) if one != 5], [], key=[2, 8]) == ([], 0)
    # What lies before the first picture of a range was not decoded at all.
    assert damage(list(range(8, 12)), [9], key=[0, 8]) == ([], 0)
