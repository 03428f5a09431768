"""Who may talk to whom, read off the rendered NetworkPolicies."""

import ipaddress
from typing import Any

import pytest
import yaml

from deploy.chart_check import CHART
from talkmill.pipeline.graph import GRAPH
from talkmill.stages.download.network import SPECIAL_IPV4
from tests.helm.chart import VALUES, objects, pods

NAMES = [entry.name for entry in GRAPH]


def policies(values: str) -> dict[str, dict[str, Any]]:
    found = {}
    for one in objects(values):
        if one["kind"] == "NetworkPolicy":
            found[one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]] = one["spec"]
    return found


def reaches(policy: dict[str, Any], address: str) -> bool:
    """Whether a policy lets a pod open a connection to an address outside the cluster."""
    target = ipaddress.ip_address(address)
    for rule in policy["egress"]:
        if not rule.get("to"):
            return True
        for peer in rule["to"]:
            block = peer.get("ipBlock")
            if not block or target not in ipaddress.ip_network(block["cidr"]):
                continue
            if not any(target in ipaddress.ip_network(one) for one in block.get("except", [])):
                return True
    return False


@pytest.mark.parametrize("values", VALUES)
def test_only_download_and_model_fetch_reach_the_internet(values: str) -> None:
    found = policies(values)
    assert {name for name, policy in found.items() if reaches(policy, "93.184.216.34")} == {"download", "model-fetch"}


@pytest.mark.parametrize("values", VALUES)
def test_nobody_reaches_what_is_not_public(values: str) -> None:
    """The metadata service of clouds, the network of pods, a machine next door."""
    for name, policy in policies(values).items():
        for address in ("169.254.169.254", "10.0.0.1", "192.168.1.1", "172.20.0.1", "100.100.100.200", "127.0.0.1"):
            assert not reaches(policy, address), f"{name} reaches {address}"


def test_the_chart_refuses_what_the_download_refuses() -> None:
    found = yaml.safe_load((CHART / "values.yaml").read_text())["networkPolicy"]["privateNetworks"]
    assert found == [str(network) for network in SPECIAL_IPV4]


@pytest.mark.parametrize("values", VALUES)
def test_every_pod_has_a_policy_for_both_ways(values: str) -> None:
    found = policies(values)
    assert set(found) == set(pods(objects(values)))
    assert all(policy["policyTypes"] == ["Ingress", "Egress"] for policy in found.values())


@pytest.mark.parametrize("values", VALUES)
def test_stages_answer_the_orchestrator_and_prometheus_alone(values: str) -> None:
    found = policies(values)
    for name in NAMES:
        grpc, metrics = found[name]["ingress"]
        (peer,) = grpc["from"]
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "orchestrator"
        assert [port["port"] for port in grpc["ports"]] == [50051]
        assert [port["port"] for port in metrics["ports"]] == [9090]
        assert "namespaceSelector" in metrics["from"][0]


@pytest.mark.parametrize("values", VALUES)
def test_names_are_looked_up_at_the_clusters_own_servers_by_those_who_call_others(values: str) -> None:
    for name, policy in policies(values).items():
        asked = [rule for rule in policy["egress"] if 53 in [port["port"] for port in rule["ports"]]]
        if name in ("minio", "postgres"):
            assert asked == []
            continue
        (rule,) = asked
        (peer,) = rule["to"]
        assert peer == {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }


@pytest.mark.parametrize("values", VALUES)
def test_the_sample_of_helm_test_reaches_the_orchestrator_whoever_its_clients_are(values: str) -> None:
    (calls,) = [
        rule
        for rule in policies(values)["orchestrator"]["ingress"]
        if 50051 in [port["port"] for port in rule["ports"]]
    ]
    labels = [peer.get("podSelector", {}).get("matchLabels", {}) for peer in calls["from"]]
    assert "smoke" in [one.get("app.kubernetes.io/component") for one in labels]


def test_the_store_and_the_database_are_reached_by_those_who_need_them() -> None:
    found = policies("minimal")

    def to(part: str) -> set[str]:
        return {
            name
            for name, policy in found.items()
            for rule in policy["egress"]
            for peer in rule.get("to", [])
            if peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/component") == part
        }

    assert to("minio") == {*NAMES, "orchestrator", "model-fetch", "smoke", "store-roles"}
    assert to("postgres") == {"orchestrator"}
    assert all(to(name) == {"orchestrator"} for name in NAMES)
    assert to("orchestrator") == {"smoke"}
    assert found["minio"]["egress"] == found["postgres"]["egress"] == []


def test_the_collector_of_traces_is_reached_by_those_who_send_them() -> None:
    def reach_it(values: str) -> set[str]:
        rules = {
            name: [port["port"] for rule in one["egress"] for port in rule["ports"]]
            for name, one in policies(values).items()
        }
        return {name for name, ports in rules.items() if 4317 in ports}

    assert reach_it("production") == {*NAMES, "orchestrator"}
    assert reach_it("minimal") == set()
