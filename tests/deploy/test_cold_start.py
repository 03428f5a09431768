"""A cold, empty namespace, in the worst order: what needs something is there long before it.

Processes stand for pods and supervisord for the kubelet; the commands are those of the chart's containers, and each has
the credential of its role, which the store learns last. Models take the way of an emptyDir: the Job fills the bucket, and
what stands for each init container copies from there.
"""

import os
import re
import subprocess
import sys
import time

import pytest

from deploy.local.cluster import Cluster
from orchestrator import store_roles
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.models.catalogue import catalogue
from talkmill.pipeline.graph import GRAPH, RunParameters
from talkmill.pipeline.naming import collect_sources
from talkmill.pipeline.settings import Settings
from talkmill.serving.settings import StoreSettings
from talkmill.stages.crop.messages import CropParameters
from talkmill.stages.matting.messages import MattingParameters
from talkmill.stages.split.messages import SplitParameters, TimeRange
from tests.deploy.test_store_roles import of_role, role_folder
from tests.fixture_types import Sample
from tests.helm.chart import objects, pods
from tests.orchestrator.conftest import reachable
from tests.servers import client_of, is_ready, running_cluster, wait_until

PARAMETERS = RunParameters(
    split=SplitParameters(ranges=(TimeRange(0.0, 1.2),)), matting=MattingParameters("draft"), crop=CropParameters(128)
)
MODEL_FETCH = (sys.executable, "-m", "services.model_fetch")


def credential(role: str) -> dict[str, str]:
    own = of_role(StoreSettings(), role)
    return {
        "TALKMILL_STORE__ACCESS_KEY": own.access_key,
        "TALKMILL_STORE__SECRET_KEY": own.secret_key.get_secret_value(),
    }


def command(role: str, module: str, init: list[str]) -> tuple[str, ...]:
    export = "export " + " ".join(f"{name}={value}" for name, value in credential(role).items())
    serve = [*([" ".join([*MODEL_FETCH, *init])] if init else []), f"exec {sys.executable} -m {module}"]
    return ("/bin/sh", "-c", " && ".join([export, *serve]))


def test_pods_that_start_before_what_they_need_come_up_by_themselves(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = reachable(tmp_path_factory.mktemp("cold"))
    rendered = pods(objects("minimal"))
    commands = {
        entry.name: command(
            "pack" if entry.name == "pack" else "stages",
            f"services {entry.name}",
            [word for init in rendered[entry.name].get("initContainers", []) for word in init["args"]],
        )
        for entry in GRAPH
    }
    commands["orchestrator"] = command("orchestrator", "orchestrator", [])
    assert "--patience" in commands["split"][2]
    models = folder / "models"
    with running_cluster(
        folder / "cluster",
        commands=commands,
        late=("minio", "postgres"),
        environment={"TALKMILL_MODELS__DIRECTORY": str(models)},
    ) as cluster:
        loading = {name for name, words in commands.items() if "model_fetch" in words[2]}
        light = set(commands) - loading - {"orchestrator"}
        assert light and loading
        wait_until(lambda: all(is_ready(cluster.ports[name]) for name in light), 120, "stages without models are ready")
        assert not any(is_ready(cluster.ports[name]) for name in ("orchestrator", *loading))
        cluster.control("start", "minio")
        time.sleep(3)
        cluster.control("start", "postgres")
        time.sleep(3)
        root = StoreSettings(
            endpoint=f"127.0.0.1:{cluster.ports['minio']}",
            access_key="talkmill",
            secret_key=(cluster.folder / "minio.secret").read_text(),
        )
        store_roles.make_users(root, store_roles.read_roles(role_folder(folder / "roles")))
        wait_until(lambda: is_ready(cluster.ports["orchestrator"]), 120, "the orchestrator has found them")
        assert not is_ready(cluster.ports["matting"])
        job(cluster)
        cluster.wait_ready(120)
        with client_of(cluster) as client:
            sources = collect_sources([str(sample[0])], None, False, "train").sources
            run = client.submit_sources(sources, PARAMETERS, 0, lambda name: None)
            run = list(client.watch(run.name))[-1]
            assert (run.state, run.succeeded_clip_count) == (pb.STATE_SUCCEEDED, 1), [*client.clips(run.name)]
        for name in commands:
            assert starts(cluster, name) == 1, f"{name} was started again"
        assert {path.name for path in models.iterdir()} == {one.id for one in catalogue().values() if one.default}


def job(cluster: Cluster) -> None:
    """The model-fetch Job: here the models are in its folder already, checked once more, and copied to the bucket."""
    environment = cluster.store_environment() | credential("models")
    environment["TALKMILL_MODELS__DIRECTORY"] = str(Settings().models.directory)
    for _ in range(2):  # a Job that is run again does no harm
        subprocess.run([*MODEL_FETCH, "fetch,push"], env=os.environ | environment, check=True, timeout=120)


def starts(cluster: Cluster, name: str) -> int:
    log = (cluster.folder / "logs/supervisord.log").read_text()
    return len(re.findall(rf"spawned: '{name}' ", log))
