"""OTAvatar: an LMDB of images of 512 pixels with coefficients, camera, points and identity, and lists of its clips.

Source: theEricMa/OTAvatar c8c484f: data/dataset.py, data/utils.py, data/hdtf_cross_id.py.
"""

from collections.abc import Iterator
from pathlib import Path

from talkmill.dataset.keys import COEFFICIENTS, CONDITION, IDENTITY, KEYPOINT
from talkmill.layouts.checks.lmdb import COEFFICIENTS_AND_CROP, Rows, check_lmdb
from talkmill.layouts.layout import Finding
from talkmill.layouts.lmdb_layout import LmdbLayout

# -euler (3), trans (3), focal.
CAMERA = 7
POINTS = 68 * 2
# The camera of a frame is the mean of those before the next frame; the first frame of one has none.
LEAST_FRAMES = 2


class OTAvatar(LmdbLayout):
    """See `LmdbLayout`."""

    name = "otavatar"
    trainer = "theEricMa/OTAvatar c8c484f"
    default_size = 512

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        rows = {
            COEFFICIENTS: Rows(COEFFICIENTS_AND_CROP),
            CONDITION: Rows(CAMERA),
            KEYPOINT: Rows(POINTS),
        }
        return check_lmdb(folder, self.default_size, rows, one_row=IDENTITY, least_frames=LEAST_FRAMES)
