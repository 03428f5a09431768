"""Values for a kind of cluster, and what they promise."""

import re
from decimal import Decimal
from typing import Any

import pytest

from deploy.chart_check import CHART, chosen, helm
from orchestrator.settings import OrchestratorSettings
from talkmill.pipeline.graph import GRAPH
from tests.helm.chart import VALUES, Object, containers, environment, named, objects, pods, written

NAMES = [entry.name for entry in GRAPH]
UNITS = {"m": Decimal("0.001"), "": Decimal(1), "Mi": Decimal(2) ** 20, "Gi": Decimal(2) ** 30}


def quantity(text: Any) -> Decimal:
    number, unit = re.fullmatch(r"([0-9.]+)(m|Mi|Gi|)", str(text)).groups()
    return Decimal(number) * UNITS[unit]


def requested(pod: Object, resource: str) -> Decimal:
    """What the scheduler counts: containers run beside each other, init containers before them."""
    beside = sum(quantity(one["resources"]["requests"][resource]) for one in pod["containers"])
    before = [quantity(one["resources"]["requests"][resource]) for one in pod.get("initContainers", [])]
    return max([beside, *before])


def test_the_trial_needs_what_its_first_lines_say() -> None:
    says = re.search(r"request (\d+) CPU\s+#? ?and (\d+) GiB", VALUES["minimal"].read_text())
    found = pods(objects("minimal"))
    assert sum(requested(pod, "cpu") for pod in found.values()) <= int(says[1])
    assert sum(requested(pod, "memory") for pod in found.values()) <= int(says[2]) * 2**30
    # No second pod beside the old one in an upgrade.
    for name in NAMES:
        update = named(objects("minimal"), "Deployment", f"talkmill-{name.replace('_', '-')}")["spec"]["strategy"]
        assert update["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_how_an_upgrade_replaces_pods_is_a_value() -> None:
    def update(name: str, *words: str) -> Object:
        return named(objects("gpu", *words), "Deployment", f"talkmill-{name}")["spec"]["strategy"]["rollingUpdate"]

    assert update("crop") == {"maxSurge": 1, "maxUnavailable": 0}
    assert update("matting") == {"maxSurge": 0, "maxUnavailable": 1}
    assert update("crop", "--set", "stages.crop.rollingUpdate.maxUnavailable=2") == {"maxUnavailable": 2}


@pytest.mark.parametrize(
    ("resource", "taint"),
    [("nvidia.com/mig-1g.10gb", "nvidia.com/gpu"), ("nvidia.com/gpu.shared", "nvidia.com/gpu"), ("amd.com/gpu", "amd.com/gpu")],
)  # fmt: skip
def test_a_part_of_a_gpu_is_asked_for_on_tainted_nodes(resource: str, taint: str) -> None:
    pod = pods(objects("gpu", "--set", f"stageDefaults.gpu.resourceName={resource}"))["matting"]
    assert pod["containers"][0]["resources"]["limits"][resource] == "1"
    assert {"key": taint, "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]


@pytest.mark.parametrize("values", VALUES)
def test_no_preset_mounts_a_folder_of_the_node(values: str) -> None:
    """Pod Security's levels baseline and restricted do not admit hostPath."""
    assert not [one for pod in pods(objects(values)).values() for one in pod.get("volumes", []) if "hostPath" in one]


def test_pods_on_spot_nodes_end_within_the_warning() -> None:
    found = pods(objects("spot"))
    for name in NAMES:
        pod, variables = found[name], environment(found[name]["containers"][0])
        grace = int(variables["TALKMILL_DRAIN_GRACE_SECONDS"])
        assert pod["terminationGracePeriodSeconds"] == (630 if name == "pack" else 25)
        assert grace < pod["terminationGracePeriodSeconds"]
        preferred = pod["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        operators = {rule["operator"] for one in preferred for rule in one["preference"]["matchExpressions"]}
        assert operators == ({"NotIn"} if name == "pack" else {"In"})
        keys = {one["key"] for one in pod.get("tolerations", [])}
        assert ({"cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"} <= keys) == (name != "pack")
    orchestrator = found["orchestrator"]
    assert not orchestrator.get("tolerations")
    variables = environment(orchestrator["containers"][0])
    default = OrchestratorSettings()
    for name in ("idle", "lease", "lease_renew", "reap"):
        assert 0 < float(variables[f"TALKMILL_{name.upper()}_SECONDS"]) < getattr(default, f"{name}_seconds")
    # A lease is renewed well before it ends, and two reports of a stage may be lost.
    assert float(variables["TALKMILL_LEASE_RENEW_SECONDS"]) * 3 <= float(variables["TALKMILL_LEASE_SECONDS"])
    assert float(variables["TALKMILL_IDLE_SECONDS"]) >= 30


def test_a_variable_of_yours_takes_the_place_of_the_charts(tmp_path: Any) -> None:
    """Two entries of one name are refused by server-side apply. Helm reads whole numbers as floats."""
    values = {
        "stages": {"download": {"env": {"TALKMILL_SLOTS": 9, "TALKMILL_CORES": 2, "TALKMILL_MAX_BYTES": 30000000000}}},
        "orchestrator": {"env": {"TALKMILL_DATABASE_URL": "sqlite:////x", "TALKMILL_IDLE_SECONDS": 2.5}},
        "models": {"env": {"HTTPS_PROXY": "http://proxy:3128", "TALKMILL_STORE__REGION": "eu"}},
    }
    found = pods(objects("minimal", *written(tmp_path, values)))
    for name, own in (("download", values["stages"]["download"]["env"]), ("orchestrator", values["orchestrator"]["env"]),
                      ("model-fetch", values["models"]["env"])):  # fmt: skip
        (container,) = found[name]["containers"]
        names = [entry["name"] for entry in container["env"]]
        assert len(names) == len(set(names))
        for variable, value in own.items():
            (entry,) = [one for one in container["env"] if one["name"] == variable]
            assert entry == {"name": variable, "value": str(value)}


def test_no_container_has_a_variable_twice() -> None:
    for values in VALUES:
        for pod in pods(objects(values)).values():
            for container in containers(pod):
                names = [entry["name"] for entry in container["env"]]
                assert len(names) == len(set(names))


def test_registries_behind_a_proxy_and_a_ca_of_your_own_are_reached(tmp_path: Any) -> None:
    proxy = {"to": [{"ipBlock": {"cidr": "10.0.0.8/32"}}], "ports": [{"protocol": "TCP", "port": 3128}]}
    values = {
        "models": {"caSecret": "company-ca", "env": {"HTTPS_PROXY": "http://10.0.0.8:3128"}},
        "networkPolicy": {"modelEgress": [proxy]},
    }
    found = objects("minimal", *written(tmp_path, values))
    pod = pods(found)["model-fetch"]
    variables = environment(pod["containers"][0])
    assert variables["SSL_CERT_FILE"] == variables["NODE_EXTRA_CA_CERTS"] == "/etc/talkmill/registries/ca.crt"
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == "/etc/talkmill/registries"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == "company-ca"
    holders = {
        one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for one in found
        if one["kind"] == "NetworkPolicy" and proxy in one["spec"]["egress"]
    }
    assert holders == {"model-fetch"}


def test_the_volume_of_models_outlives_a_change_of_the_cache() -> None:
    claim = named(objects("production"), "PersistentVolumeClaim", "talkmill-models")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize("values", sorted(VALUES))
def test_the_readme_names_the_apis_that_a_render_without_a_cluster_needs(values: str) -> None:
    row = re.search(
        rf"^\| `ci/{values}-values.yaml` \|[^|]*\|([^|]*)\|$", (CHART / "README.md").read_text(), re.MULTILINE
    )
    named_apis = re.findall(r"`([^`]+)`", row[1])
    if "those of the other file" in row[1]:
        named_apis = ["keda.sh/v1alpha1", "monitoring.coreos.com/v1"]

    def renders(apis: list[str]) -> bool:
        words = ["template", "talkmill", str(CHART), "--namespace", "talkmill", *chosen(VALUES[values])]
        return helm([*words, *(word for api in apis for word in ("--api-versions", api))]).returncode == 0

    assert renders(named_apis)
    for api in named_apis:
        assert not renders([one for one in named_apis if one != api]), f"{api} is not needed"
