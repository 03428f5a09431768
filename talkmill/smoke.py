"""The sample through a cluster, from upload to a data set that verifies: `helm test` and `make smoke`.

`python -m talkmill.smoke`; the orchestrator and the token come from TALKMILL_SERVER, TALKMILL_TOKEN and
TALKMILL_SERVER_CA.
"""

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from talkmill import sample
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.client import Client, ServerError
from talkmill.client.settings import ClientSettings
from talkmill.dataset.environment import DatasetError
from talkmill.dataset.reader import verify
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.naming import collect_sources
from talkmill.stages.crop.messages import CropParameters
from talkmill.stages.errors import StageError
from talkmill.stages.split.messages import SplitParameters, TimeRange

SECONDS, SIZE = 1.2, 256


def parameters() -> RunParameters:
    """Return parameters of a short and small run; another part of the sample each time, so that little is cached."""
    first = random.SystemRandom().randrange(int((sample.SECONDS - SECONDS) * sample.RATE)) / sample.RATE
    return RunParameters(split=SplitParameters(ranges=(TimeRange(first, first + SECONDS),)), crop=CropParameters(SIZE))


class SmokeError(RuntimeError):
    """The cluster did not do what it should; the message says what was seen."""


def smoke(client: Client, folder: Path) -> str:
    """Run the sample through a cluster and check the data set.

    Args:
        client: Of the orchestrator.
        folder: For the sample and the data set.

    Returns:
        What was seen, in one line.

    Raises:
        SmokeError: The run failed, or the set is not what it should be.
    """
    video = folder / "sample.mp4"
    sample.write_sample(video)
    began = time.monotonic()
    with client:
        run = client.submit_sources(
            collect_sources([str(video)], None, False, "train").sources, parameters(), 1, lambda name: None
        )
        for seen in client.watch(run.name):
            run = seen
            print(f"{run.name} {pb.State.Name(run.state)} {run.succeeded_clip_count} clips", flush=True)
        if run.state != pb.STATE_SUCCEEDED or run.succeeded_clip_count != 1:
            why = [f"{clip.name} in {clip.stage}: {clip.reason} {clip.message}" for clip in client.clips(run.name)]
            raise SmokeError(f"{run.name} is {pb.State.Name(run.state)}: {run.reason} {run.message} {'; '.join(why)}")
        client.fetch(run.name, folder / "set", lambda path: None)
    try:
        manifest = verify(folder / "set" / "lmdb" / str(SIZE))
    except DatasetError as error:
        raise SmokeError(f"the data set is not whole: {error}") from error
    frames = sum(entry.frame_count for entry in manifest.clips.values())
    return f"{run.name}: {len(manifest.clips)} clip, {frames} frames, verified, {time.monotonic() - began:.0f} s"


def main() -> int:
    """Run the sample; returns the exit code."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            print(smoke(Client.of(ClientSettings()), Path(folder)))
    except (ServerError, SmokeError, StageError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # The first process of a container ignores what it does not handle.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
