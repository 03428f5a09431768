"""The real images, as a cluster would run them: read-only, not root, no capability, and a clip through them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from deploy.sbom import write_sbom
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.client.client import Client
from talkmill.dataset.reader import verify
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.naming import collect_sources
from talkmill.pipeline.settings import Settings
from talkmill.stages.crop.messages import CropParameters
from talkmill.stages.split.messages import SplitParameters, TimeRange
from tests.containers import built, hardened, inside, need_containers, own_folder
from tests.fixture_types import Sample
from tests.orchestrator.conftest import reachable
from tests.servers import running_cluster, wait_until

IN_CONTAINERS = {"orchestrator": "plain-orchestrator", "split": "cpu-split", "matting": "cpu-matting"}
SMOKE = "plain-smoke"
# Clients of these tests stand beside the services, as the pod of `helm test` does: the public endpoint is of no use.
NOWHERE = "127.0.0.1:1"
PARAMETERS = RunParameters(split=SplitParameters(ranges=(TimeRange(0.0, 1.2),)), crop=CropParameters(256))


@pytest.fixture(scope="module")
def tags() -> dict[str, str]:
    need_containers()
    return {name: built(target).tag for name, target in IN_CONTAINERS.items()}


@pytest.fixture(scope="module")
def cluster(tags: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose orchestrator, split and matting are containers; its other stages are processes."""
    folder = reachable(tmp_path_factory.mktemp("containers"))
    models = folder / "models"
    shutil.copytree(Settings().models.directory, models)
    commands = {name: hardened(tag, models, own_folder(folder / "scratch" / name)) for name, tag in tags.items()}
    with running_cluster(
        folder, commands=commands, environment={"TALKMILL_STORE__PUBLIC_ENDPOINT": NOWHERE}
    ) as cluster:
        yield cluster


def test_a_clip_goes_through_the_containers(cluster: Cluster, sample: Sample, tmp_path: Path) -> None:
    """The cluster is up: gRPC health of each has answered. Now the real work."""
    with Client(cluster.server, internal_endpoint=True) as client:
        run = client.submit_sources(
            collect_sources([str(sample[0])], None, False, "train").sources, PARAMETERS, 0, lambda name: None
        )
        run = list(client.watch(run.name))[-1]
        assert (run.state, run.succeeded_clip_count) == (pb.STATE_SUCCEEDED, 1), [*client.clips(run.name)]
        client.fetch(run.name, tmp_path, lambda path: None)
    clips = verify(tmp_path / "lmdb" / "256").clips
    assert [entry.frame_count for entry in clips.values()] == [30]


def test_the_smoke_test_in_its_image_sees_the_whole_way(cluster: Cluster, tmp_path: Path) -> None:
    """`helm test` runs this image as it is: a file that the image lacks fails here, not on a cluster."""
    folder = reachable(tmp_path)
    command = hardened(built(SMOKE).tag, own_folder(folder / "models"), own_folder(folder / "scratch"))
    done = subprocess.run(
        command, env=os.environ | {"TALKMILL_SERVER": cluster.server, "TALKMILL_INTERNAL_ENDPOINT": "true"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 clip, 30 frames, verified" in done.stdout


def test_the_smoke_test_fails_where_nobody_answers() -> None:
    command = [sys.executable, "-m", "talkmill.smoke"]
    environment = os.environ | {"TALKMILL_SERVER": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")


def test_what_runs_is_not_root_and_cannot_write(cluster: Cluster, tags: dict[str, str]) -> None:
    listed = subprocess.run(["podman", "ps", "--format", "{{.ID}} {{.Image}}"], capture_output=True, text=True)
    running = {image: name for name, image in (line.split() for line in listed.stdout.splitlines())}
    for tag in tags.values():
        status = "import os; print(os.getuid(), os.getgid()); print(open('/proc/1/status').read())"
        done = subprocess.run(
            ["podman", "exec", running[tag], "/opt/talkmill/bin/python", "-c", status], capture_output=True, text=True
        )
        assert done.stdout.startswith("10001 10001\n"), done.stderr
        assert "CapEff:\t0000000000000000" in done.stdout
        assert "NoNewPrivs:\t1" in done.stdout
        write = subprocess.run(["podman", "exec", running[tag], "touch", "/opt/talkmill/x"], capture_output=True)
        assert b"Read-only file system" in write.stderr


def test_a_container_drains_when_it_is_told_to_stop(cluster: Cluster, tags: dict[str, str]) -> None:
    cluster.control("restart", "split")
    wait_until(lambda: '"event": "stopped"' in cluster.log("split").read_text(), 30, "split has drained")
    cluster.wait_ready()


@pytest.mark.parametrize("name", ["split", "orchestrator"])
def test_a_container_that_is_told_to_stop_while_it_starts_ends(tags: dict[str, str], tmp_path: Path, name: str) -> None:
    """Python has no handlers yet: it imports for a second."""
    folder = reachable(tmp_path)
    command = hardened(tags[name], own_folder(folder / "models"), own_folder(folder / "scratch"))
    run = [*command[:-1], "--name", f"early-{name}", command[-1]]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        exists = ["podman", "container", "inspect", "--format", "{{.State.Running}}", f"early-{name}"]
        wait_until(lambda: b"true" in subprocess.run(exists, capture_output=True).stdout, 30, "the container runs")
        began = time.monotonic()
        subprocess.run(["podman", "stop", "--time", "60", f"early-{name}"], capture_output=True, check=False)
        process.wait(timeout=90)
    assert time.monotonic() - began < 20


def test_the_bill_of_materials_lists_what_is_bundled(tags: dict[str, str], tmp_path: Path) -> None:
    path = write_sbom(tags["matting"], "matting", tmp_path)
    text = path.read_text()
    for name in ("onnxruntime", "opencv-python-headless", "libx264", "pkg:deb/debian/libc6"):
        assert name in text


def test_images_have_no_weights_and_no_tools(tags: dict[str, str]) -> None:
    for tag in tags.values():
        weights = " -o ".join(f"-name '*.{ending}'" for ending in ("onnx", "npz", "ckpt", "pth", "safetensors"))
        found = inside(tag, f"find / -xdev -size +100k '(' {weights} ')' -print 2>/dev/null | grep -v /scipy/ || true")
        assert found.split() == []
        assert inside(tag, "ls -A /models /scratch | grep -v : || true").split() == []
        assert (
            inside(tag, "find /opt/talkmill -path '*/site-packages/pip' -o -path '*/site-packages/torch'").split() == []
        )
        assert inside(tag, "find /opt -perm -4000").split() == []


def test_images_stay_small(tags: dict[str, str]) -> None:
    """What talkmill adds to its base; docs/measurements.md has the whole."""
    limits = {"orchestrator": 150, "split": 620, "matting": 500}
    for name, tag in tags.items():
        size = int(inside(tag, "du -sm /opt/talkmill").split()[0])
        assert size < limits[name], f"{name} has {size} MB"
