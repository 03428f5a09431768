"""What a clip loses with a worker that a cloud takes back: a cluster with the spot preset, a run, and a kill.

The chart is rendered with `helm/talkmill/ci/spot-values.yaml`; leases, replicas and time-outs are those of the objects
that come out. Processes stand for pods, and supervisord for what starts another one.
"""

import argparse
import json
import os
import shutil
import signal
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
import yaml

from deploy.chart_check import CHART, render
from deploy.local.cluster import Cluster, ClusterError, metric
from orchestrator.ledger.tables import stage_run
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.client import Client
from talkmill.dataset.reader import verify
from talkmill.pipeline.graph import GRAPH, RunParameters
from talkmill.pipeline.naming import collect_sources
from talkmill.stages.matting.messages import MattingParameters

PRESET = CHART / "ci" / "spot-values.yaml"
# The stage that is longest at a clip.
STAGE = max(GRAPH, key=lambda node: node.share).name
IN_PROGRESS, FRAMES = "talkmill_stage_executions_in_progress", "talkmill_stage_frames_processed_total"
LOOK_SECONDS = 0.1
# For the work to begin, and for another worker to take it.
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Preset:
    """What the rendered preset says of two components.

    Attributes:
        environment: Settings of the stage and of the orchestrator that are times.
        orchestrators: Replicas of the orchestrator.
    """

    environment: Mapping[str, str]
    orchestrators: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What the kill of a worker cost a clip.

    Attributes:
        repeated_seconds: How long the killed worker had been at the clip.
        repeated_frames: Frames of the clip that it had been through.
        idle_seconds: From the kill until another worker was at the clip.
        losses: Losses that were counted for the clip, of which it may have four.
        state: Of the run when it ended.
        clips: Clips of the set that was fetched and verified.
        run_seconds: From the submission to the end.
    """

    repeated_seconds: float
    repeated_frames: int
    idle_seconds: float
    losses: int
    state: str
    clips: int
    run_seconds: float


def preset() -> Preset:
    """Render the preset, and return what it says of the stage and of the orchestrator.

    Raises:
        ClusterError: Helm does not render it.
    """
    done = render(PRESET)
    if done.returncode:
        raise ClusterError(f"{PRESET.name} is not rendered: {done.stderr.strip()[-500:]}")
    found = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]
        for one in yaml.safe_load_all(done.stdout)
        if one and one["kind"] == "Deployment"
    }
    environment = dict(_times(found[STAGE])) | dict(_times(found["orchestrator"]))
    return Preset(environment, int(found["orchestrator"]["replicas"]))


def kill_worker(
    cluster: Cluster,
    video: Path,
    parameters: RunParameters,
    number: signal.Signals,
    after_seconds: float = 0.0,
    after_frames: int = 1,
) -> Loss:
    """Run a video, kill the worker of its longest stage, and see the run end.

    Args:
        cluster: Is up, and has done nothing of this video.
        video: A file; one clip is looked at.
        parameters: Of the run.
        number: The signal.
        after_seconds: It is killed when it has been at the clip for so long,
        after_frames: and has been through so many frames.

    Raises:
        ClusterError: The work ended before the kill, or nobody took it up again.
        DatasetError: The set does not verify.
    """
    port = cluster.ports[f"{STAGE}-metrics"]
    with Client(cluster.server) as client:
        began = time.monotonic()
        sources = collect_sources([str(video)], None, False, "train").sources
        name = client.submit_sources(sources, parameters, 0, lambda name: None).name
        _wait(lambda: _busy(port), f"{STAGE} has nothing to do")
        at_work = time.monotonic()
        pid = cluster.pid(STAGE)
        time.sleep(after_seconds)
        _wait(lambda: metric(port, FRAMES) >= after_frames, f"{STAGE} has not been through {after_frames} frames")
        frames = int(metric(port, FRAMES))
        if not _busy(port):
            raise ClusterError(f"{STAGE} was done with the clip after {frames} frames: nothing was killed")
        killed = time.monotonic()
        os.kill(pid, number)
        _wait(lambda: cluster.pid(STAGE) not in (0, pid), f"no other worker of {STAGE} came up")
        gone = time.monotonic()
        _wait(lambda: _busy(port), "no other worker took the clip")
        taken = time.monotonic()
        # A worker that is told to end goes on until its grace is over.
        stopped = killed if number == signal.SIGKILL else gone
        run = list(client.watch(name))[-1]
        ended = time.monotonic()
        with TemporaryDirectory() as folder:
            client.fetch(name, folder)
            (data,) = Path(folder).glob("lmdb/*/data.mdb")
            clips = len(verify(data.parent).names)
    return Loss(
        repeated_seconds=stopped - at_work,
        repeated_frames=frames,
        idle_seconds=taken - stopped,
        losses=_losses(cluster, name),
        state=pb.State.Name(run.state).removeprefix("STATE_"),
        clips=clips,
        run_seconds=ended - began,
    )


def main(folder: Path, words: list[str]) -> int:
    """Bring a cluster up with the preset, kill a worker, print what was lost; returns the exit code."""
    parser = argparse.ArgumentParser("python -m deploy.local spot", description=main.__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--after", type=float, default=30.0, help="seconds that it has been at the clip")
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL", help="TERM is the warning of a cloud")
    parser.add_argument("--matting", default=MattingParameters().method, help="the method")
    options = parser.parse_args(words)
    found = preset()
    print("the preset:", json.dumps(dict(found.environment)), f"{found.orchestrators} orchestrators", flush=True)
    # What an earlier measurement kept would be found and not computed again.
    shutil.rmtree(folder / "spot", ignore_errors=True)
    cluster = Cluster(folder / "spot", first_port=0, orchestrators=found.orchestrators, environment=found.environment)
    cluster.up()
    try:
        parameters = RunParameters(matting=MattingParameters(options.matting))
        number = signal.Signals[f"SIG{options.signal}"]
        loss = kill_worker(cluster, options.video, parameters, number, options.after)
    finally:
        cluster.down()
    print(
        f"the run {loss.state} after {loss.run_seconds:.0f} s; {loss.clips} clips verify\n"
        f"repeated: {loss.repeated_seconds:.1f} s of work ({loss.repeated_frames} frames when the signal came)\n"
        f"idle: {loss.idle_seconds:.1f} s until another worker was at the clip\n"
        f"counted as losses: {loss.losses}"
    )
    return 0 if loss.state == "SUCCEEDED" else 1


def _times(deployment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the settings of a pod that are times."""
    for entry in deployment["template"]["spec"]["containers"][0]["env"]:
        if entry["name"].endswith("_SECONDS"):
            yield entry["name"], entry["value"]


def _busy(port: int) -> bool:
    try:
        return metric(port, IN_PROGRESS) > 0
    except (urllib.error.URLError, OSError):
        return False


def _wait(condition: Callable[[], object], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{otherwise} within {PATIENCE_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def _losses(cluster: Cluster, name: str) -> int:
    engine = sa.create_engine(cluster.database_url())
    of_stage = (stage_run.c.run_id == name.removeprefix("runs/")) & (stage_run.c.stage == STAGE)
    try:
        with engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.sum(stage_run.c.losses)).where(of_stage)).scalar_one())
    finally:
        engine.dispose()
