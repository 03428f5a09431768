"""Work on the frames of a clip, shared between threads."""

import itertools

from talkmill.fitting.chunks import by_chunks


def test_chunks_cover_every_frame_in_order() -> None:
    for threads in (1, 4):
        parts = by_chunks(lambda frames: list(range(20))[frames], 20, threads)
        assert [len(part) for part in parts] == [8, 8, 4]
        assert list(itertools.chain(*parts)) == list(range(20))
