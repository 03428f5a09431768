"""`make sizing VIDEOS="..."`: what each stage needs on this machine, measured on a run of the user's own videos.

CPU, memory and scratch are read off the services' processes; time and bytes off their metrics.
"""

import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.cluster import Cluster, metric
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.client import Client
from talkmill.pipeline.graph import GRAPH, RunParameters
from talkmill.pipeline.naming import collect_sources

SAMPLE_SECONDS = 0.2
# The stage that sees every frame of every clip and knows how long they last.
VIDEO_STAGE = "crop"
HEADER = "| stage | core seconds | peak memory, MB | peak scratch, MB | read, MB | written, MB |"


def measure(folder: Path, videos: Sequence[str]) -> int:
    """Bring a cluster up on free ports, run the videos, and print a table; returns the exit code."""
    # What an earlier measurement kept would be found and not computed again.
    shutil.rmtree(folder / "sizing", ignore_errors=True)
    cluster = Cluster(folder / "sizing", first_port=0)
    cluster.up()
    try:
        with _peaks(cluster) as scratch, Client(cluster.server) as client:
            before = {entry.name: _cpu_seconds(cluster.pid(entry.name)) for entry in GRAPH}
            sources = collect_sources(list(videos), None, False, "train").sources
            run = client.submit_sources(sources, RunParameters(), 0, lambda name: None)
            run = list(client.watch(run.name))[-1]
        if run.state != pb.STATE_SUCCEEDED or not run.succeeded_clip_count:
            print(f"{run.name} is {pb.State.Name(run.state)}: {run.failed_clip_count} clips failed")
            return 1
        seconds = metric(cluster.ports[f"{VIDEO_STAGE}-metrics"], "talkmill_stage_video_seconds_total")
        print(f"{run.succeeded_clip_count} clips, {run.frame_count} frames, {seconds:.1f} s of clips\n")
        print(f"{HEADER}\n|---|---|---|---|---|---|")
        for entry in GRAPH:
            cpu = _cpu_seconds(cluster.pid(entry.name)) - before[entry.name]
            port = cluster.ports[f"{entry.name}-metrics"]
            moved = [metric(port, "talkmill_artifact_transfer_bytes_total", direction=way) for way in _WAYS]
            cells = [f"{cpu:.1f}", f"{_peak_memory(cluster.pid(entry.name)):.0f}", f"{scratch[entry.name] / 1e6:.0f}"]
            print(f"| {entry.name} | {' | '.join(cells)} | {moved[0] / 1e6:.1f} | {moved[1] / 1e6:.1f} |")
        return 0
    finally:
        cluster.down()


_WAYS = ("download", "upload")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_memory(pid: int) -> float:
    """Return the peak resident set in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


@contextmanager
def _peaks(cluster: Cluster) -> Iterator[dict[str, int]]:
    """Watch how large each stage's scratch gets, in bytes."""
    peaks: dict[str, int] = defaultdict(int)
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            sizes: dict[str, int] = defaultdict(int)
            for root, _, files in os.walk(cluster.folder / "scratch"):
                stage = Path(root).relative_to(cluster.folder / "scratch").parts[:1]
                for file in files:
                    try:
                        sizes[stage[0].rpartition("-")[0]] += (Path(root) / file).stat().st_size
                    except (FileNotFoundError, IndexError):
                        continue
            for name, size in sizes.items():
                peaks[name] = max(peaks[name], size)
            time.sleep(SAMPLE_SECONDS)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
