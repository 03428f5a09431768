"""Rules, alerts and dashboards: well formed, up to date, and made of metrics that exist."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from deploy.grafana import build
from deploy.local import tools
from talkmill.pipeline.graph import GRAPH
from talkmill.stages.errors import error_kinds
from talkmill.telemetry import metrics
from tests.deploy.queries import alert_expressions, panel_expressions, rule_expressions

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
ROOT = PROMETHEUS.parents[1]
# Not ours: of Prometheus itself, and of the DCGM exporter.
FOREIGN = {"up", "DCGM_FI_DEV_GPU_UTIL"}
# What an execution may end with that is nobody's fault, or that no execution of a stage ends with.
NO_FAULT = {
    "ADDRESS_ERASED", "AGE_RESTRICTED", "CANCELLED", "CLIP_NOT_FOUND", "CLIP_TOO_SHORT", "DATABASE_UNAVAILABLE", "DOWNLOAD_FAILED",
    "DOWNLOAD_REFUSED", "FACE_TOO_SMALL", "FIT_FAILED", "FORMAT_MISSING", "GEO_BLOCKED", "HEAD_MOVES", "INVALID_REQUEST",
    "LANDMARKS_INVALID", "MATTE_LOST", "NOT_A_VIDEO", "NO_FACE", "NO_FRAMES", "OTHER_SET", "PERSON_CHANGES", "QUOTA_EXCEEDED", "RANGE_OUTSIDE", "RATE_LIMITED", "RUN_NOT_ENDED",
    "RUN_NOT_FOUND", "SCOPE_MISSING", "SERVICE_FULL", "SET_DAMAGED", "SIGN_IN_REQUIRED", "STILL_PICTURE", "UNAUTHENTICATED", "VIDEO_PRIVATE",
    "VIDEO_REMOVED", "VIDEO_TOO_LARGE",
}  # fmt: skip


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return tools.program("promtool", "prometheus")
    except tools.ToolError as error:
        pytest.skip(str(error))


def test_the_alerts_fire_when_they_should(promtool: Path) -> None:
    for words in (["check", "config", "prometheus.yml"], ["test", "rules", "tests/alerts.yml"]):
        done = subprocess.run([promtool, *words], cwd=PROMETHEUS, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_explained() -> None:
    alerts = [rule["alert"] for rule in rules("alerts.yml")]
    tested = (PROMETHEUS / "tests/alerts.yml").read_text()
    operations = (ROOT / "docs/operations.md").read_text()
    for alert in alerts:
        assert f"alertname: {alert}\n" in tested, alert
        assert f"\n### {alert}\n" in operations, alert
    for rule in rules("alerts.yml"):
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")


def rules(name: str) -> list[dict[str, object]]:
    return [
        rule for group in yaml.safe_load((PROMETHEUS / "rules" / name).read_text())["groups"] for rule in group["rules"]
    ]


def declared() -> set[str]:
    """Every series that telemetry/metrics.py declares, as Prometheus sees them."""
    assert metrics.EXECUTIONS
    names = set()
    for family in REGISTRY.collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
        names |= {family.name + ending for ending in endings.get(family.type, [""])}
    return {name for name in names if name.startswith("talkmill_")}


def test_every_metric_of_a_query_exists() -> None:
    recorded = {str(rule["record"]) for rule in rules("recording.yml")}
    for expression in [*panel_expressions(), *rule_expressions(), *alert_expressions()]:
        used = set(re.findall(r"\b(?:talkmill_\w+|DCGM_\w+|up(?=\{)|(?:stage|outcome)\w*:[\w:]+)", expression))
        assert used, expression
        assert used <= declared() | recorded | FOREIGN, expression


def test_every_metric_of_the_architecture_is_declared_and_documented() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    for name in declared():
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert f"`{base}`" in page, base


def test_no_label_grows_without_bound() -> None:
    for family in (metrics.EXECUTIONS, metrics.FRAMES, metrics.INFERENCE_DURATION, metrics.DEAD_LETTERS, metrics.RPCS):
        assert set(family._labelnames) <= {
            "stage",
            "outcome",
            "reason",
            "model_id",
            "execution_provider",
            "method",
            "code",
        }


def test_every_reason_is_a_fault_or_is_none() -> None:
    """A new error must be sorted: alerts on faults, silence on what a clip shows."""
    text = "\n".join([*rule_expressions(), *alert_expressions()])
    lists = set(re.findall(r'(?:outcome|reason)=~"([A-Z_|]+)"', text))
    (faults,) = lists
    assert set(faults.split("|")).isdisjoint(NO_FAULT)
    assert set(faults.split("|")) | NO_FAULT == set(error_kinds())


def test_dashboards_are_what_the_code_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    build.write()
    committed = ROOT / "deploy/grafana/dashboards"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in committed.iterdir()}
    for path in tmp_path.iterdir():
        assert path.read_text() == (committed / path.name).read_text(), f"run make dashboards: {path.name}"


def test_every_stage_has_a_row_and_every_panel_says_what_it_shows() -> None:
    boards = {path.stem: json.loads(path.read_text()) for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
    row_titles = [panel["title"] for panel in boards["stages"]["panels"] if panel["type"] == "row"]
    assert row_titles == [entry.name for entry in GRAPH]
    variables = {variable["name"] for variable in boards["overview"]["templating"]["list"]}
    assert variables == {"datasource", "gpu_price", "cpu_price"}
    for board in boards.values():
        assert len({panel["id"] for panel in board["panels"] if "id" in panel}) == len(board["panels"])
        for panel in board["panels"]:
            if panel["type"] != "row":
                assert panel["title"]
                assert panel["datasource"]["uid"] == "${datasource}"
                assert panel["targets"]


def test_compose_scrapes_every_process() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    targets = {target.partition(":")[0] for target in job["static_configs"][0]["targets"]}
    assert targets == {"orchestrator", *(entry.name for entry in GRAPH)}
