"""What the chart renders, and what it refuses."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml
from opentelemetry.sdk import environment_variables
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from deploy.chart_check import CHART, KUBERNETES, chosen, helm, validate
from orchestrator.settings import OrchestratorSettings, StoreRolesSettings
from services.download.settings import DownloadSettings
from services.settings import ModelFetchSettings, StageServerSettings
from talkmill.client.settings import ClientSettings
from talkmill.models.catalogue import catalogue
from talkmill.pipeline.graph import GRAPH
from tests.helm.chart import VALUES, containers, environment, named, objects, pods, refused, written

ROOT = Path(__file__).parents[2]
NAMES = [entry.name for entry in GRAPH]
WITH_MODELS = ["coarse_fit", "fine_fit", "landmarks", "matting", "split"]
PARTS = {*NAMES, "orchestrator", "model-fetch", "smoke"}
TRIAL = {"minio", "postgres", "store-roles"}
# Values with store and database outside the chart.
OUTSIDE = {"production", "spot"}


def dashed(name: str) -> str:
    return f"talkmill-{name.replace('_', '-')}"


@pytest.mark.parametrize("values", VALUES)
def test_every_stage_has_its_objects(values: str) -> None:
    found = objects(values)
    for name in NAMES:
        assert named(found, "Deployment", dashed(name))
        assert named(found, "Service", dashed(name))["spec"]["clusterIP"] == "None"
    assert set(pods(found)) >= PARTS
    assert set(pods(found)) - PARTS == (set() if values in OUTSIDE else TRIAL)


def test_the_schema_and_the_values_name_the_stages_of_the_registry() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(schema["properties"]["stages"]["properties"]) == NAMES
    assert list(yaml.safe_load((CHART / "values.yaml").read_text())["stages"]) == NAMES


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"stages": {"mating": {"replicas": 2}}}, "mating"),
        ({"stages": {"matting": {"replica": 2}}}, "replica"),
        ({"stages": {"matting": {"gpu": {"enabled": True, "count": 0}}}}, "count"),
        ({"stageDefaults": {"gpu": {"count": 0}}}, "count"),
        ({"stages": {"matting": {"slots": 0}}}, "slots"),
        ({"stages": {"matting": {"autoscaling": {"kind": "cpu"}}}}, "kind"),
        ({"stages": {"matting": {"env": {"lower case": "1"}}}}, "lower case"),
        ({"store": {"endpoint": "https://s3.example.com"}}, "endpoint"),
        ({"traces": {"endpoint": "otel-collector:4317"}}, "endpoint"),
        ({"models": {"ids": []}}, "ids"),
        ({"models": {"cache": {"kind": "nfs"}}}, "kind"),
        ({"orchestrator": {"replicas": 0}}, "replicas"),
        ({"tls": {"enabled": "yes"}}, "enabled"),
        ({"minio": {"size": "big"}}, "size"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_the_schema_refuses(values: dict[str, object], says: str, tmp_path: Path) -> None:
    message = refused("minimal", *written(tmp_path, values))
    assert "values don't meet the specifications of the schema" in message
    assert says in message


@pytest.mark.parametrize(
    ("values", "words", "says"),
    [
        ("minimal", ["--set", "minio.enabled=false"], "store.endpoint: where the object store is"),
        ("minimal", ["--set", "postgres.enabled=false"], "database.existingSecret: a Secret with the key url"),
        ("minimal", ["--set", "tls.enabled=true"], "tls.clientSecret: a Secret with tls.crt, tls.key and ca.crt"),
        ("minimal", ["--set", "stages.crop.gpu.enabled=true"], "stages.crop.gpu.enabled: only split, matting and"),
        ("production", ["--set-json", "networkPolicy.storeEgress=[]"], "networkPolicy.storeEgress: where the store"),
        (
            "production",
            ["--set-json", "networkPolicy.tracesEgress=[]"],
            "networkPolicy.tracesEgress: where the collector",
        ),
        (
            "minimal",
            ["--set", "stages.matting.autoscaling.kind=hpa,stages.matting.autoscaling.minReplicas=0"],
            "only keda goes to zero",
        ),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(values: str, words: list[str], says: str) -> None:
    assert says in refused(values, *words)


def test_what_the_cluster_lacks_is_said() -> None:
    done = helm(["template", "talkmill", str(CHART), *chosen(VALUES["production"])])
    assert done.returncode
    assert (
        "stages.matting.autoscaling.kind=keda: the cluster has no KEDA (keda.sh/v1alpha1); `helm template` asks no "
        "cluster and needs --api-versions keda.sh/v1alpha1"
    ) in done.stderr
    assert "the cluster has no Prometheus operator (monitoring.coreos.com/v1); `helm template` asks" in done.stderr
    done = helm(["template", "talkmill", str(CHART), *chosen(VALUES["gateway"])])
    assert "the cluster has no Gateway API (gateway.networking.k8s.io/v1); `helm template` asks" in done.stderr


def test_a_stage_overrides_its_defaults_with_any_value(tmp_path: Path) -> None:
    """Zero, false and empty too, which Helm's own merges skip."""
    values = {
        "stageDefaults": {"podDisruptionBudget": {"enabled": True}, "replicas": 3, "podAnnotations": {"a": "1"}},
        "stages": {"pack": {"podDisruptionBudget": {"enabled": False}, "replicas": 0, "podAnnotations": {"a": ""}}},
    }
    found = objects("minimal", *written(tmp_path, values))
    assert named(found, "Deployment", "talkmill-crop")["spec"]["replicas"] == 3
    pack = named(found, "Deployment", "talkmill-pack")["spec"]
    assert (pack["replicas"], pack["template"]["metadata"]["annotations"]["a"]) == (0, "")
    budgets = {one["metadata"]["name"] for one in found if one["kind"] == "PodDisruptionBudget"}
    assert budgets == {dashed(name) for name in NAMES if name != "pack"}


@pytest.mark.parametrize("values", VALUES)
def test_every_pod_is_confined(values: str) -> None:
    for name, pod in pods(objects(values)).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == (999 if name == "postgres" else 10001)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] is True
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
        for volume in pod.get("volumes", []):
            assert volume.get("emptyDir", {"sizeLimit": "1"})["sizeLimit"]


@pytest.mark.parametrize(("values", "port"), [("minimal", 50051), ("production", 8081)])
def test_probes_ask_health_in_plain_text(values: str, port: int) -> None:
    found = pods(objects(values))
    for name in (*NAMES, "orchestrator"):
        (container,) = found[name]["containers"]
        for probe, service in (("startup", "readiness"), ("readiness", "readiness"), ("liveness", "liveness")):
            assert container[f"{probe}Probe"]["grpc"] == {"port": port, "service": service}
        assert port in [one["containerPort"] for one in container["ports"]]
        assert (environment(container).get("TALKMILL_LISTEN__HEALTH_PORT") == "8081") == (port == 8081)


def test_tls_is_mutual_between_orchestrator_and_stages() -> None:
    found = pods(objects("production"))
    for name in NAMES:
        variables = environment(found[name]["containers"][0])
        assert variables["TALKMILL_TLS__CLIENT_CA"] == "/etc/talkmill/tls/ca.crt"
        assert "TALKMILL_LISTEN__PLAIN_TEXT" not in variables
    variables = environment(found["orchestrator"]["containers"][0])
    assert {"TALKMILL_STAGE_TLS__CA", "TALKMILL_STAGE_TLS__CERTIFICATE", "TALKMILL_STAGE_TLS__KEY"} <= set(variables)
    assert "TALKMILL_TLS__CLIENT_CA" not in variables
    secrets = {volume["secret"]["secretName"] for volume in found["orchestrator"]["volumes"] if "secret" in volume}
    assert secrets == {
        "talkmill-tokens", "talkmill-client-tls", "talkmill-orchestrator-tls", "talkmill-store-ca"
    }  # fmt: skip


def test_the_orchestrator_knows_every_stage() -> None:
    found = objects("production")
    variables = environment(pods(found)["orchestrator"]["containers"][0])
    targets = json.loads(variables["TALKMILL_STAGE_TARGETS"])
    assert set(targets) == set(NAMES)
    for name, target in targets.items():
        host = re.fullmatch(r"dns:///(.*)\.talkmill\.svc:50051", target)[1]
        assert named(found, "Service", host)["spec"]["selector"]["app.kubernetes.io/component"] == name
    concurrency = json.loads(variables["TALKMILL_STAGE_CONCURRENCY"])
    # 32 pods of one slot for two replicas, and one call in waiting.
    assert (concurrency["matting"], concurrency["pack"]) == (17, 2)


def test_a_gpu_brings_all_that_it_needs() -> None:
    found = objects("gpu")
    for name in NAMES:
        pod = pods(found)[name]
        (container,) = pod["containers"]
        gpu = name in ("split", "matting", "landmarks")
        assert container["image"].endswith("-cuda") == gpu
        assert container["resources"]["limits"].get("nvidia.com/gpu") == ("1" if gpu else None)
        assert pod.get("runtimeClassName") == ("nvidia" if gpu else None)
        assert environment(container)["TALKMILL_EXECUTION_PROVIDER"] == ("cuda" if gpu else "cpu")
        assert (
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod.get("tolerations", [])
        ) == gpu
    matting = environment(pods(objects("production"))["matting"]["containers"][0])
    assert matting["TALKMILL_EXECUTION_PROVIDER"] == "tensorrt"


def test_an_autoscaled_stage_has_no_replicas_of_its_own() -> None:
    found = objects("production")
    for name in NAMES:
        assert "replicas" not in named(found, "Deployment", dashed(name))["spec"]
        scaled = named(found, "ScaledObject", dashed(name))["spec"]
        assert f'talkmill_orchestrator_backlog{{stage="{name}"' in scaled["triggers"][0]["metadata"]["query"]
    assert named(found, "ScaledObject", "talkmill-matting")["spec"]["minReplicaCount"] == 0
    hpa = objects("minimal", "--set", "stages.matting.autoscaling.kind=hpa")
    metric = named(hpa, "HorizontalPodAutoscaler", "talkmill-matting")["spec"]["metrics"][0]["external"]["metric"]
    assert metric["name"] == "talkmill_orchestrator_backlog"
    assert metric["selector"]["matchLabels"]["stage"] == "matting"


def test_work_has_time_to_end() -> None:
    for name, pod in pods(objects("minimal", "--set", "stages.matting.gracePeriodSeconds=1200")).items():
        if name not in NAMES:
            continue
        grace = 1200 if name == "matting" else 600
        assert pod["terminationGracePeriodSeconds"] == grace + 30
        assert environment(pod["containers"][0])["TALKMILL_DRAIN_GRACE_SECONDS"] == str(grace)
    for name in NAMES:
        template = named(objects("minimal"), "Deployment", dashed(name))["spec"]["template"]
        assert template["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
        assert template["spec"]["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"


@pytest.mark.parametrize(("values", "kind", "job", "stage"), [
    ("minimal", "emptyDir", "reuse,fetch,push", "pull"),
    ("host", "hostPath", "reuse,fetch,push", "pull"),
    ("production", "persistentVolumeClaim", "fetch", "wait"),
])  # fmt: skip
def test_models_come_from_the_job_alone(values: str, kind: str, job: str, stage: str) -> None:
    words = ["--set", "models.cache.kind=hostPath"] if values == "host" else []
    found = pods(objects("gpu" if values == "host" else values, *words))
    assert found["model-fetch"]["containers"][0]["args"][0] == job
    for name in NAMES:
        volumes = {volume["name"]: volume for volume in found[name]["volumes"]}
        assert ("models" in volumes) == (name in WITH_MODELS)
        if name in WITH_MODELS:
            assert kind in volumes["models"]
            (init,) = found[name]["initContainers"]
            assert init["args"][0] == stage
            assert {*init["args"]} >= set(yaml.safe_load((CHART / "values.yaml").read_text())["models"]["ids"])
            (mount,) = [one for one in found[name]["containers"][0]["volumeMounts"] if one["name"] == "models"]
            assert mount["readOnly"] is True


def test_stages_with_models_are_those_that_load_them() -> None:
    loading = [
        name for name in NAMES if "services.models" in (ROOT / "services" / name / "process.py").read_text()
    ]  # fmt: skip
    assert sorted(loading) == WITH_MODELS


def test_the_models_are_the_defaults_of_the_catalogue() -> None:
    ids = yaml.safe_load((CHART / "values.yaml").read_text())["models"]["ids"]
    assert sorted(ids) == sorted(entry.id for entry in catalogue().values() if entry.default)


def test_another_list_of_models_is_another_job() -> None:
    def name(*words: str) -> str:
        return next(one["metadata"]["name"] for one in objects("minimal", *words) if one["kind"] == "Job")

    assert name() == name()
    assert name() != name("--set", "models.ids={u2netp}")
    assert name() != name("--set-string", "image.tag=9")


# Variables that OpenTelemetry's SDK reads.
OPENTELEMETRY = {environment_variables.OTEL_EXPORTER_OTLP_ENDPOINT, environment_variables.OTEL_EXPORTER_OTLP_HEADERS}
SETTINGS: dict[str, type[BaseSettings]] = {
    **dict.fromkeys(NAMES, StageServerSettings),
    "download": DownloadSettings,
    "orchestrator": OrchestratorSettings,
    "model-fetch": ModelFetchSettings,
    "models": ModelFetchSettings,
    "smoke": ClientSettings,
    "store-roles": StoreRolesSettings,
}


def knows(settings: type[BaseModel], variable: str) -> bool:
    first, _, rest = variable.partition("__")
    field = settings.model_fields.get(first.lower())
    if field is None or not rest:
        return field is not None
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return knows(kind, rest)
    return rest.lower() in getattr(kind, "__dataclass_fields__", {})


@pytest.mark.parametrize("values", VALUES)
def test_every_variable_is_a_setting_of_its_process(values: str) -> None:
    for name, pod in pods(objects(values)).items():
        if name in ("minio", "postgres"):
            continue
        for container in containers(pod):
            settings = SETTINGS["models" if container["name"] == "models" else name]
            for variable in environment(container):
                if variable.startswith("OTEL_"):
                    assert variable in OPENTELEMETRY, f"{name}: {variable}"
                    continue
                assert variable.startswith("TALKMILL_")
                assert knows(settings, variable.removeprefix("TALKMILL_")), f"{name}: {variable}"


def test_traces_are_sent_where_a_value_says_so() -> None:
    for values in ("minimal", "production"):
        for name, pod in pods(objects(values)).items():
            for container in containers(pod):
                sends = (
                    values == "production"
                    and container["name"] == name.replace("_", "-")
                    and name in (*NAMES, "orchestrator")
                )
                told = {one: value for one, value in environment(container).items() if one in OPENTELEMETRY}
                assert bool(told) == sends, (values, name, container["name"])
                if sends:
                    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector.observability.svc:4317"
                    (headers,) = [one for one in container["env"] if one["name"] == "OTEL_EXPORTER_OTLP_HEADERS"]
                    assert headers["valueFrom"] == {"secretKeyRef": {"name": "talkmill-traces", "key": "headers"}}


def test_a_value_of_the_wrong_kind_fails_validation(tmp_path: Path) -> None:
    """The validators of `make chart-check` do find what is wrong."""
    deployment = named(objects("minimal"), "Deployment", "talkmill-crop")
    deployment["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(deployment))
    assert all(validate(path, version).returncode for version in KUBERNETES)


def test_secrets_are_made_once_and_hold_no_token_in_the_clear_for_the_orchestrator() -> None:
    found = objects("minimal")
    auth = named(found, "Secret", "talkmill-auth")["stringData"]
    (entry,) = yaml.safe_load(auth["tokens.yaml"])
    assert entry["sha256"] == hashlib.sha256(auth["token"].encode()).hexdigest()
    mounted = [volume for volume in pods(found)["orchestrator"]["volumes"] if volume["name"] == "auth"]
    assert mounted[0]["secret"]["items"] == [{"key": "tokens.yaml", "path": "tokens.yaml"}]
    assert not [one for one in objects("production") if one["kind"] == "Secret"]


def test_rules_and_dashboards_are_those_of_deploy() -> None:
    found = objects("production")
    (rule,) = [one for one in found if one["kind"] == "PrometheusRule"]
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    assert rule["spec"]["groups"] == groups
    boards = {key: value for one in found if one["kind"] == "ConfigMap"
              and "grafana_dashboard" in one["metadata"]["labels"] for key, value in one["data"].items()}  # fmt: skip
    assert boards == {path.name: path.read_text() for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
    (monitor,) = [one for one in found if one["kind"] == "ServiceMonitor"]
    labels = monitor["spec"]["selector"]["matchLabels"]
    for name in (*NAMES, "orchestrator-metrics"):
        service = named(found, "Service", dashed(name))
        assert labels.items() <= service["metadata"]["labels"].items()
        assert "metrics" in [port["name"] for port in service["spec"]["ports"]]


def test_the_readme_is_generated_from_the_values() -> None:
    from deploy.chart_readme import readme

    assert (CHART / "README.md").read_text() == readme()
