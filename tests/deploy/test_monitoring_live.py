"""A real Prometheus on the running services: every query answers, and an alert reaches a real Alertmanager."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import tools
from deploy.local.cluster import Cluster, free_port
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.pipeline.graph import GRAPH, RunParameters
from talkmill.pipeline.naming import collect_sources
from talkmill.stages.crop.messages import CropParameters
from talkmill.stages.split.messages import SplitParameters, TimeRange
from tests.deploy.queries import DEPLOY, alert_expressions, panel_expressions, rule_expressions, selectors
from tests.fixture_types import Sample
from tests.orchestrator.conftest import reachable
from tests.servers import client_of, running_cluster, wait_until

PROCESSES = ("orchestrator", *(entry.name for entry in GRAPH))
PARAMETERS = RunParameters(split=SplitParameters(ranges=(TimeRange(0.0, 1.2),)), crop=CropParameters(128))
# Prometheus keeps what it was told for so long after a target went: rules see its end at the next scrape.
PATIENCE = 60


@dataclass(frozen=True)
class Watch:
    cluster: Cluster
    prometheus: str
    alertmanager: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        address = f"{self.prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(address, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def alerts(self) -> set[str]:
        with urllib.request.urlopen(f"{self.alertmanager}/api/v2/alerts?active=true", timeout=10) as answer:
            return {alert["labels"]["alertname"] for alert in json.load(answer)}


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory, sample: Sample) -> Iterator[Watch]:
    """The cluster, watched; one clip and one file that is no video have been through it."""
    folder = reachable(tmp_path_factory.mktemp("watched"))
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(folder / "cluster"))
        watch = stack.enter_context(_watching(folder, cluster))
        wait_until(lambda: len(watch.query('up{job="talkmill"} == 1')) == len(PROCESSES), PATIENCE, "all are scraped")
        broken = folder / "broken.mp4"
        broken.write_bytes(b"not a video")
        with client_of(cluster) as client:
            sources = collect_sources([str(sample[0]), str(broken)], None, False, "train").sources
            run = client.submit_sources(sources, PARAMETERS, 0, lambda name: None)
            run = list(client.watch(run.name))[-1]
            assert (run.state, run.succeeded_clip_count) == (pb.STATE_SUCCEEDED, 1), [*client.clips(run.name)]
        time.sleep(5)
        yield watch


@contextmanager
def _watching(folder: Path, cluster: Cluster) -> Iterator[Watch]:
    """Prometheus and Alertmanager with the project's own rules, only quicker."""
    try:
        programs = [tools.program("prometheus", "prometheus"),
                    tools.program("prometheus-alertmanager", "prometheus-alertmanager")]  # fmt: skip
    except tools.ToolError as error:
        pytest.skip(str(error))
    ports = [free_port(), free_port()]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(folder, cluster, ports[1])))
    (folder / "alertmanager.yml").write_text(
        yaml.safe_dump({"route": {"receiver": "none", "group_wait": "0s"}, "receivers": [{"name": "none"}]})
    )
    commands = [
        [programs[0], f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
         f"--web.listen-address=127.0.0.1:{ports[0]}"],
        [programs[1], f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager",
         f"--web.listen-address=127.0.0.1:{ports[1]}", "--cluster.listen-address="],
    ]  # fmt: skip
    with ExitStack() as stack:
        for command in commands:
            log = stack.enter_context((folder / f"{Path(command[0]).name}.log").open("wb"))
            process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT)
            stack.callback(process.wait)
            stack.callback(process.kill)
        addresses = [f"http://127.0.0.1:{port}" for port in ports]
        for address in addresses:
            wait_until(lambda address=address: _answers(f"{address}/-/ready"), 30, f"{address} is ready")
        yield Watch(cluster, *addresses)


def _configuration(folder: Path, cluster: Cluster, alertmanager: int) -> dict[str, Any]:
    rules = folder / "rules"
    rules.mkdir()
    for path in (DEPLOY / "prometheus/rules").glob("*.yml"):
        content = yaml.safe_load(path.read_text())
        for group in content["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "2s"
        (rules / path.name).write_text(yaml.safe_dump(content))
    targets = [f"127.0.0.1:{cluster.ports[f'{name}-metrics']}" for name in PROCESSES]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules / "*.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
        "scrape_configs": [{"job_name": "talkmill", "static_configs": [{"targets": targets}]}],
    }


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_every_panel_and_every_rule_has_series(watch: Watch) -> None:
    empty = []
    for expression in [*panel_expressions(), *rule_expressions()]:
        if "DCGM" in expression:  # no GPU here: promtool has its tests
            continue
        if not watch.query(expression):
            empty.append(expression)
    assert empty == []


def test_every_selector_of_an_alert_has_series(watch: Watch) -> None:
    found = {selector for expression in alert_expressions() for selector in selectors(expression)}
    assert len(found) >= 10
    assert [one for one in found if "DCGM" not in one and not watch.query(one)] == []


def test_the_figures_are_those_of_the_run(watch: Watch) -> None:
    """30 frames of 1.2 seconds through every stage that counts them; one clip done, one source refused."""

    def value(expression: str) -> float:
        (one,) = watch.query(expression)
        return float(one["value"][1])

    for stage in ("matting", "crop", "landmarks", "coarse_fit", "fine_fit", "pack"):
        assert value(f'sum(talkmill_stage_frames_processed_total{{stage="{stage}"}})') == 30
    for stage in ("matting", "crop", "landmarks", "fine_fit"):
        assert value(f'sum(talkmill_stage_video_seconds_total{{stage="{stage}"}})') == pytest.approx(1.2)
    assert value('sum(talkmill_stage_executions_total{stage="matting", outcome="OK"})') == 1
    assert value('sum(talkmill_orchestrator_dead_letters_total{stage="split", reason="NOT_A_VIDEO"})') == 1
    assert value('sum(talkmill_orchestrator_clips_finished_total{outcome="succeeded"})') == 1
    # Two networks for each frame of the default matte.
    assert value('sum(talkmill_inference_duration_seconds_count{stage="matting"})') >= 60
    assert value("sum(talkmill_orchestrator_backlog)") == 0
    assert value('min(talkmill_orchestrator_dependency_reachable{dependency="store"})') == 1


def test_an_alert_fires_when_a_stage_is_killed_and_clears(watch: Watch, sample: Sample) -> None:
    assert watch.alerts() & {"TalkmillTargetDown", "TalkmillStageDown"} == set()
    watch.cluster.control("stop", "crop")
    try:
        wait_until(lambda: "TalkmillTargetDown" in watch.alerts(), PATIENCE, "the target is missed")
        with client_of(watch.cluster) as client:
            parameters = RunParameters(split=PARAMETERS.split, crop=CropParameters(144))
            run = client.submit_sources(
                collect_sources([str(sample[0])], None, False, "train").sources, parameters, 0, lambda name: None
            )
            wait_until(lambda: "TalkmillStageDown" in watch.alerts(), PATIENCE, "work waits for nobody")
            watch.cluster.control("start", "crop")
            assert list(client.watch(run.name))[-1].state == pb.STATE_SUCCEEDED
    finally:
        watch.cluster.control("start", "crop")
    gone = {"TalkmillTargetDown", "TalkmillStageDown"}
    wait_until(lambda: not watch.alerts() & gone, 2 * PATIENCE, "the alerts are over")


def test_a_store_that_is_away_is_told(watch: Watch) -> None:
    watch.cluster.control("stop", "minio")
    try:
        wait_until(lambda: "TalkmillStoreUnreachable" in watch.alerts(), PATIENCE, "the store is missed")
    finally:
        watch.cluster.control("start", "minio")
    wait_until(lambda: "TalkmillStoreUnreachable" not in watch.alerts(), 2 * PATIENCE, "the store is back")
