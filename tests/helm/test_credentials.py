"""Which credential each pod has, and which Secrets the chart makes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from talkmill.pipeline.graph import GRAPH
from tests.helm.chart import VALUES, Object, containers, named, objects, pods, refused, written

NAMES = [entry.name for entry in GRAPH]
ROLES = ("models", "orchestrator", "pack", "stages")
ROOT = "talkmill-minio"


def secrets(pod: Object) -> set[str]:
    """Names of the Secrets that a pod reads, by variables and by volumes."""
    found = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("secretKeyRef", "secret") and isinstance(inner, dict):
                    found.add(inner.get("name") or inner["secretName"])
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look({"containers": containers(pod), "volumes": pod.get("volumes", [])})
    return found


def test_the_root_credential_of_minio_is_in_minio_and_in_the_job_that_makes_its_users_alone() -> None:
    holders = {name for name, pod in pods(objects("minimal")).items() if ROOT in secrets(pod)}
    assert holders == {"minio", "store-roles"}


def test_a_pod_has_the_credential_of_its_role_alone() -> None:
    role_of = {name: "pack" if name == "pack" else "stages" for name in NAMES}
    role_of |= {"orchestrator": "orchestrator", "model-fetch": "models"}
    found = pods(objects("minimal"))
    for name, pod in found.items():
        own = {one for one in secrets(pod) if one.startswith("talkmill-store-")}
        if name == "store-roles":
            assert own == {f"talkmill-store-{role}" for role in ROLES}
        else:
            assert own == ({f"talkmill-store-{role_of[name]}"} if name in role_of else set()), name


def test_a_store_outside_the_chart_has_one_credential_or_one_for_each_role(tmp_path: Path) -> None:
    own = dict.fromkeys(ROLES, "") | {"pack": "own-pack"}
    words = written(tmp_path, {"store": {"existingSecret": "all", "existingSecrets": own}})
    found = pods(objects("production", *words))
    assert "own-pack" in secrets(found["pack"])
    assert "all" not in secrets(found["pack"])
    assert all("all" in secrets(found[name]) for name in ("orchestrator", "model-fetch", "crop"))
    missing = refused("production", "--set", "store.existingSecrets.models=")
    assert "store.existingSecrets.models: a Secret with the keys access-key and secret-key" in missing


@pytest.mark.parametrize("values", ["gitops", "production"])
def test_with_secrets_of_your_own_every_render_is_the_same(values: str) -> None:
    """What GitOps compares: nothing is drawn by chance, and no Secret is in the manifests."""
    first = objects(values)
    assert [one["metadata"]["name"] for one in first if one["kind"] == "Secret"] == []
    assert objects(values) == first


def test_every_secret_that_a_pod_reads_can_be_one_of_your_own() -> None:
    used = set().union(*(secrets(pod) for pod in pods(objects("gitops")).values()))
    given = yaml.safe_load(VALUES["gitops"].read_text())
    named_there = {given[part]["existingSecret"] for part in ("auth", "minio", "postgres")}
    assert used == named_there | set(given["store"]["existingSecrets"].values())


def test_what_the_chart_makes_is_drawn_anew_where_no_cluster_is_asked() -> None:
    """Why GitOps needs Secrets of its own; `helm upgrade` keeps what the cluster has."""

    def made() -> dict[str, Any]:
        return {one["metadata"]["name"]: one["stringData"] for one in objects("minimal") if one["kind"] == "Secret"}

    first, second = made(), made()
    assert set(first) == {"talkmill-auth", "talkmill-postgres", ROOT, *(f"talkmill-store-{role}" for role in ROLES)}
    assert all(first[name] != second[name] for name in first)
    passwords = [content["secret-key"] for content in first.values() if "secret-key" in content]
    assert len(set(passwords)) == len(passwords) == 5


@pytest.mark.parametrize("values", ["minimal", "production"])
def test_the_policies_of_the_roles_are_shown(values: str) -> None:
    policies = named(objects(values), "ConfigMap", "talkmill-store-policies")["data"]
    assert set(policies) == {f"{role}.json" for role in ROLES}
    for text in policies.values():
        assert yaml.safe_load(text)["Statement"]
