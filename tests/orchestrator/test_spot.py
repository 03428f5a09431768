"""A worker of the spot preset is killed in the middle of a clip: the run ends well, and what was lost is known."""

import signal
from pathlib import Path

import pytest

from deploy.local import spot
from orchestrator.settings import OrchestratorSettings
from talkmill.pipeline.graph import RunParameters
from talkmill.stages.crop.messages import CropParameters
from tests.fixture_types import Sample
from tests.orchestrator.conftest import reachable
from tests.servers import running_cluster

# Of the sample's hundred.
AFTER_FRAMES = 20


def test_a_killed_worker_costs_what_it_had_done_of_the_clip(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory
) -> None:
    preset = spot.preset()
    # Shorter than without the preset, or the test would show nothing of it.
    assert float(preset.environment["TALKMILL_IDLE_SECONDS"]) < OrchestratorSettings().idle_seconds
    assert float(preset.environment["TALKMILL_DRAIN_GRACE_SECONDS"]) < 25
    folder: Path = reachable(tmp_path_factory.mktemp("spot"))
    parameters = RunParameters(crop=CropParameters(128), kinds=("alpha", "frames"))
    with running_cluster(
        folder, orchestrators=preset.orchestrators, environment=preset.environment | {"TALKMILL_THREADS": "1"}
    ) as cluster:
        loss = spot.kill_worker(cluster, sample[0], parameters, signal.SIGKILL, after_frames=AFTER_FRAMES)
    assert (loss.state, loss.clips, loss.losses) == ("SUCCEEDED", 1, 1)
    # Nothing but the one stage of the one clip is done again, and of that no more than was done.
    assert AFTER_FRAMES <= loss.repeated_frames < 100
    assert 0 < loss.repeated_seconds < loss.run_seconds
    # A broken stream is seen at once: nobody waits for the silence that a frozen worker needs.
    assert loss.idle_seconds < float(preset.environment["TALKMILL_IDLE_SECONDS"])
