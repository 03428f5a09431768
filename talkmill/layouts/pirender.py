"""PIRender: an LMDB of images of 256 pixels with the coarse coefficients of each frame, and lists of its clips.

Source: RenYurui/PIRender 9e59f19: data/vox_dataset.py, vox_video_dataset.py, scripts/prepare_vox_lmdb.py,
config/face.yaml (`coeff_nc: 73`).
"""

from collections.abc import Iterator
from pathlib import Path

from talkmill.dataset.keys import COEFFICIENTS
from talkmill.layouts.checks.lmdb import COEFFICIENTS_AND_CROP, Rows, check_lmdb
from talkmill.layouts.layout import Finding
from talkmill.layouts.lmdb_layout import LmdbLayout


class PIRender(LmdbLayout):
    """See `LmdbLayout`."""

    name = "pirender"
    trainer = "RenYurui/PIRender 9e59f19"
    default_size = 256

    def check(self, folder: Path) -> Iterator[Finding]:
        """See `Layout`."""
        return check_lmdb(folder, self.default_size, {COEFFICIENTS: Rows(COEFFICIENTS_AND_CROP)})
