"""When each picture is shown, by the stamps that there are; and which pictures damage reaches."""

from dataclasses import replace

import numpy as np
import pytest

from talkmill.video.container import StreamChoice
from talkmill.video.limits import DEFAULT_LIMITS
from talkmill.video.packets import PacketIndex, StreamPackets
from talkmill.video.timeline import first_place, leaning_packets, timeline

NONE = np.nan


def index_of(
    decoding: list[float],
    key: list[int] | None = None,
    section: list[int] | None = None,
    offsets: tuple[float, ...] = (0.0,),
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
        hidden=np.zeros(count, bool),
        edit=np.zeros(count, np.int64),
        torn=np.zeros(count, bool),
        new_header=np.zeros(count, bool),
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


def test_pictures_by_stamps_of_decoding_stay_as_far_from_the_sound_as_presentation_stamps_say() -> None:
    """One damaged stamp of a transport stream; pictures are shown two frames after the first is decoded."""
    own = [1.0 + 0.04 * number for number in range(32)]
    presentation = np.array(own[:30]) + 0.08
    presentation[12] = 80_000.0
    line = timeline(np.arange(30), presentation, np.array(own[2:]), index_of(own))
    assert not line.stamped
    assert line.times == pytest.approx(np.array(own[:30]) + 0.08)


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


def leaning(pictures: list[int], lost: list[int], key: list[int], real: list[int] | None = None) -> list[int]:
    index = index_of([0.04 * one for one in range(12)], key)
    decoded = np.isin(pictures, key if real is None else real)
    return np.flatnonzero(leaning_packets(np.array(pictures), decoded, lost, index)).tolist()


def without(*lost: int) -> list[int]:
    return [one for one in range(12) if one not in lost]


def test_what_is_decoded_from_a_lost_packet_to_the_next_key_frame_leans_on_it() -> None:
    assert leaning(without(5), [5], key=[0, 4, 8]) == [5, 6, 7]
    assert leaning(without(5), [5], key=[0, 4]) == [5, 6, 7, 8, 9, 10, 11]
    assert leaning(without(1, 9), [1, 9], key=[0, 4, 8]) == [1, 2, 3, 9, 10, 11]


def test_what_is_decoded_after_a_key_frame_and_shown_before_it_leans_on_what_was_before() -> None:
    pictures = [0, 2, 1, 3, 5, 4, 7, 8, 6, 9, 10, 11]
    assert leaning(pictures, [3], key=[0, 6]) == [3, 4, 5, 7, 8]
    # A whole picture that is decoded before the lost one is none of them.
    assert leaning(pictures, [2], key=[0, 6]) == [2, 3, 4, 5, 7, 8]


@pytest.mark.parametrize("first", [0, 4])
def test_a_lost_key_frame_is_no_end(first: int) -> None:
    assert leaning(without(first), [first], key=[0, 4, 8]) == list(range(first, first + 4))
    assert leaning(without(3, 4), [3, 4], key=[0, 4, 8]) == [3, 4, 5, 6, 7]


def test_a_file_that_begins_between_key_frames_leans_on_what_came_before() -> None:
    assert leaning([1, 2, 5, 6, 4, 7, 8], [-1], key=[4, 8]) == [0, 1, 2, 3, 5, 6]


def test_where_pictures_are_made_new_part_by_part_they_are_whole_at_the_next_mark() -> None:
    assert leaning(without(1), [1], key=[0, 4, 8], real=[0]) == [1, 2, 3, 4, 5, 6, 7]
    assert leaning(without(5), [5], key=[0, 4, 8], real=[0]) == [5, 6, 7, 8, 9, 10, 11]
    assert leaning(without(1), [1], key=[0, 3, 6, 9], real=[0, 3]) == [1, 2]


def test_nothing_lost_is_no_damage() -> None:
    assert leaning(without(2, 3), [], key=[0, 4]) == []


def test_the_place_of_a_windows_first_picture() -> None:
    """As many come before it as there are packets, and what was to be shown between but leans on what is gone."""
    assert first_place(np.array([0, 2, 1, 3])) == 0
    assert first_place(np.array([20, 22, 21, 23])) == 20
    assert first_place(np.array([20, 26, 24, 25])) == 23
    assert first_place(np.array([20])) == 20


def test_without_stamps_a_part_is_counted_from_its_place_in_the_file() -> None:
    packets = np.array([0, 2, 1, 8, 10, 9])
    nothing = np.full(6, NONE)
    line = timeline(packets, nothing, nothing, index_of([NONE] * 12, key=[0, 4, 8]), starts=[0, 8])
    assert line.times * 25 == pytest.approx([0, 1, 2, 8, 9, 10])


def test_the_last_pictures_have_the_stamps_of_what_would_have_been_read() -> None:
    """A hole of 1 s before the fourth picture: its packet is the sixth that is read."""
    own = [0.0, 0.04, 0.08, 0.12, 0.16, 1.2, 1.24, 1.28]
    packets = np.array([0, 2, 1, 3, 5, 4])
    decoding = np.array([0.08, 0.12, 0.16, 1.2, NONE, NONE])
    line = timeline(packets, np.full(6, NONE), decoding, index_of(own))
    assert line.times == pytest.approx([0, 0.04, 0.08, 1.12, 1.16, 1.2])
    # At the end of the file the steps go on.
    end = timeline(packets, np.full(6, NONE), decoding, index_of(own[:6]))
    assert end.times == pytest.approx(line.times)


def test_guessed_stamps_of_presentation_are_not_taken() -> None:
    """FFmpeg gives the packets of .avi the stamp of the next one: before a hole it is that of behind it."""
    own = np.array([0.0, 0.04, 0.08, 1.12, 1.16])
    guessed = np.array([0.04, 0.08, 1.12, 1.16, 1.2])
    index = index_of(list(own))
    assert timeline(np.arange(5), guessed, own, index).stamped
    index = replace(index, picture=replace(index.picture, guessed=True))
    line = timeline(np.arange(5), guessed, own, index)
    assert not line.stamped
    assert line.times == pytest.approx(own)
    # Where those of decoding are worse they are.
    assert timeline(np.arange(5), guessed, np.zeros(5), index).stamped
