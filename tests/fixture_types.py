"""What fixtures are."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from talkmill.sample import SampleTruth

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
Contents = Callable[[Path], dict[bytes, bytes]]
Sample = tuple[Path, SampleTruth]
