"""Work on the frames of a clip, shared between threads."""

import itertools

from talkmill.fitting.chunks import CHUNK, by_chunks


def test_chunks_cover_every_frame_in_order() -> None:
    count = 3 * CHUNK - 1
    for threads in (1, 4):
        parts = by_chunks(lambda frames: list(range(count))[frames], count, threads)
        assert [len(part) for part in parts] == [CHUNK, CHUNK, CHUNK - 1]
        assert list(itertools.chain(*parts)) == list(range(count))
