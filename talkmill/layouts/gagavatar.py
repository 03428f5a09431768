"""GAGAvatar: an LMDB of heads over black and the list of its frames. The FLAME fit is left to the authors' tracker.

Source: xg-chu/GAGAvatar beb44a3: core/data/loader_track.py, core/libs/utils_lmdb.py; xg-chu/GAGAvatar_track 76fdabf:
scripts_for_build_lmdb.py, engines/engine_core.py.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from talkmill.dataset.environment import DatasetError, read_environment
from talkmill.dataset.plain import write_plain
from talkmill.geometry.shrink import resized
from talkmill.layouts.checks.files import find, read_json
from talkmill.layouts.checks.lmdb import check_images
from talkmill.layouts.layout import WHOLE_FOLDER, Bundle, Finding, Lengths, Piece
from talkmill.layouts.material import ClipMaterial
from talkmill.layouts.options import ExportOptions
from talkmill.layouts.squares import square_of
from talkmill.matting.composite import composite_over
from talkmill.pipeline.kinds import Kind
from talkmill.video.images import ImageWriter, read_coded

SIZE = 512
BLACK = (0, 0, 0)
LIST, DATABASE = "dataset.json", "img_lmdb"
# What the authors' tracker writes; a pickle, which nothing here opens.
FIT = "optim.pkl"
# The set has no third split: what is for testing is validated on too.
SPLITS = {"train": "train", "val": "test", "test": "test"}
# The authors' square is 1.65 times as large as the head's box. Chosen: a face is about three quarters of a head, whose
# box ends at the chin.
HEAD_SHARE, FACE_OF_HEAD = 1 / 1.65, 0.75
# Of a video one frame is drawn and another is looked at.
LEAST_FRAMES = 2
WRITE_LIST = "write an array of the keys of the frames for train, val and test"
WRITE_AGAIN = "write it as the trainer's scripts_for_build_lmdb.py does"


class GAGAvatar:
    """`img_lmdb` and `dataset.json`; `optim.pkl` comes of the authors' tracker."""

    name = "gagavatar"
    version = "1"
    trainer = "xg-chu/GAGAvatar beb44a3"
    needs: ClassVar[frozenset[Kind]] = frozenset(
        {"video", "frame_table", "audio", "face_track", "landmarks", "geometry", "alpha"}
    )
    options = frozenset({"face_share", "least_seconds", "most_seconds"})
    lengths = Lengths(1.0)
    whole_runs = True
    rate = None
    list_files: ClassVar[tuple[str, ...]] = (LIST,)
    reads: ClassVar[tuple[str, ...]] = (WHOLE_FOLDER,)

    def paths(self, piece: Piece, options: ExportOptions) -> tuple[str, ...]:
        """See `Layout`."""
        return (f"clips/{piece.name}.zip",)

    def write(self, piece: Piece, material: ClipMaterial, options: ExportOptions, folder: Path) -> None:
        """See `Layout`."""
        (path,) = self.paths(piece, options)
        # Half of what the head has more than the face, in heights of the face.
        raised = (1 / FACE_OF_HEAD - 1) / 2
        share = options.face_share or FACE_OF_HEAD * HEAD_SHARE
        box = square_of(material, piece.frames, share, inside=material.clip.alpha_region, raised=raised)
        part = (slice(box.y0, box.y0 + box.side), slice(box.x0, box.x0 + box.side))
        squares = material.squares(piece.frames, box, box.side)
        with ImageWriter(folder / path) as writer:
            for square, alpha in zip(squares, material.alphas(piece.frames), strict=True):
                writer.write(resized(composite_over(square, alpha[part], BLACK), SIZE, SIZE))

    def bundles(self, pieces: Sequence[Piece], options: ExportOptions) -> Sequence[Bundle]:
        """See `BundledLayout`."""
        return [Bundle(DATABASE, (f"{DATABASE}/data.mdb", f"{DATABASE}/lock.mdb"), tuple(pieces), (FIT,))]

    def bundle(self, bundle: Bundle, options: ExportOptions, folder: Path, target: Path) -> None:
        """See `BundledLayout`."""
        images = [folder / path for piece in bundle.pieces for path in self.paths(piece, options)]
        write_plain(
            target / DATABASE,
            (
                zip(frame_keys(piece), read_coded(path), strict=True)
                for piece, path in zip(bundle.pieces, images, strict=True)
            ),
            sum(piece.frame_count for piece in bundle.pieces),
            sum(path.stat().st_size for path in images),
        )

    def lists(self, pieces: Sequence[Piece], options: ExportOptions, folder: Path) -> Mapping[str, bytes]:
        """See `Layout`."""
        frames = {
            split: [one for piece in pieces if piece.split == ours for one in frame_keys(piece)]
            for split, ours in SPLITS.items()
        }
        return {LIST: json.dumps(frames).encode() + b"\n"}

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        frames = yield from read_json(folder, LIST, dict, "list", WRITE_LIST)
        if frames is None:
            return
        wrong = [split for split in SPLITS if not isinstance(frames.get(split), list)]
        if wrong:
            yield Finding(LIST, f"has no array {' and '.join(wrong)}", WRITE_LIST)
            return
        splits = {split: list(map(str, frames[split])) for split in SPLITS}
        yield from _check_keys(splits)
        yield from find(folder, FIT, mend="run the authors' GAGAvatar_track on img_lmdb: track_lmdb.py")
        if (yield from find(folder, f"{DATABASE}/data.mdb", "LMDB", WRITE_AGAIN)) is None:
            return
        keys = list(dict.fromkeys(key for split in splits.values() for key in split))
        try:
            yield from check_images(read_environment(folder / DATABASE), keys, f"{DATABASE}/data.mdb", SIZE)
        except DatasetError as error:
            yield Finding(f"{DATABASE}/data.mdb", f"cannot be read: {error}", WRITE_AGAIN)


def frame_keys(piece: Piece) -> list[str]:
    """Return the keys of the frames of a piece; before `_` stands the video, so its own name has none."""
    return [f"{piece.name.replace('_', '-')}_{number}" for number in range(piece.frame_count)]


def _check_keys(splits: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Check that each key says its video and its frame, and that videos have frames enough."""
    videos: dict[str, set[str]] = {}
    if not splits["train"]:
        yield Finding(LIST, "names no frame to train on", "name the keys of img_lmdb")
    for split, keys in splits.items():
        told = [(key, key.removeprefix("img_").split("_")) for key in keys]
        wrong = [key for key, parts in told if len(parts) != 2 or not parts[1].isdigit()]
        if wrong:
            yield Finding(
                LIST,
                f"{split} names {wrong[0]}, as {len(wrong)} of {len(keys)}: the reader takes what stands before the "
                "first _ for the video, and what stands after the last for the frame",
                "call frames VIDEO_NUMBER, without a _ in VIDEO",
            )
        for video, count in Counter(parts[0] for _, parts in told).items():
            videos.setdefault(video, set()).add(split)
            if count < LEAST_FRAMES:
                yield Finding(LIST, f"{split} names one frame of {video}, but two are needed", "name two or more")
        for key, times in Counter(keys).items():
            if times > 1:
                yield Finding(LIST, f"{split} names {key} {times} times", "name it once")
    for video, found in videos.items():
        if "train" in found and len(found) > 1:
            yield Finding(LIST, f"{video} is in {' and '.join(sorted(found))}", "keep a video in one of them")
