"""What the chart asks a cluster before it makes anything: real Helm against an API that says what it was told."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.chart_check import CHART, chosen, helm
from tests.deploy.stand_in_cluster import Object, StandInCluster, a_cluster, stand_in_cluster
from tests.helm.chart import VALUES, objects, written

CLUSTER_WIDE = frozenset(["namespaces", "nodes", "runtimeclasses", "storageclasses"])


KEYS = ("access-key", "ca.crt", "password", "secret-key", "tls.crt", "tls.key", "token", "tokens.yaml", "url")


def secret(name: str, without: str = "") -> Object:
    data = {key: "eA==" for key in KEYS if key != without}
    return {"kind": "Secret", "metadata": {"name": name, "namespace": "talkmill"}, "data": data}


def gpu_node(resource: str) -> Object:
    return {"kind": "Node", "metadata": {"name": "gpu"}, "status": {"allocatable": {resource: "1"}}}


NVIDIA: Object = {"kind": "RuntimeClass", "metadata": {"name": "nvidia"}}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`helm install --dry-run=server` with a values file into a cluster: exit code, output, the cluster."""

    def done(
        values: str, words: Sequence[str] = (), more: Sequence[Object] = (), without: str = "", **options: Any
    ) -> tuple[int, str, StandInCluster]:
        known = [one for one in a_cluster() if one["kind"] != without] + list(more)
        with stand_in_cluster(tmp_path, known, **options) as cluster:
            monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
            command = ["install", "talkmill", str(CHART), "--namespace", "talkmill", "--dry-run=server"]
            result = helm([*command, "--disable-openapi-validation", *chosen(VALUES[values]), *words])
        return result.returncode, result.stdout + result.stderr, cluster

    assert "KUBECONFIG" not in os.environ
    return done


def test_a_cluster_that_has_everything_is_installed_into(install: Any) -> None:
    code, said, cluster = install("minimal")
    assert code == 0, said
    assert ("GET", "/apis/storage.k8s.io/v1/storageclasses") in cluster.calls


def test_an_administrator_of_a_namespace_needs_no_right_beyond_it(install: Any) -> None:
    code, said, _ = install("gpu", forbidden=CLUSTER_WIDE)
    assert code
    assert "namespaces is forbidden" in said
    code, said, cluster = install("gpu", ["--set", "clusterChecks=false"], forbidden=CLUSTER_WIDE)
    assert code == 0, said
    assert not [path for _, path in cluster.calls if path.split("?")[0].split("/")[-1] in CLUSTER_WIDE]
    code, said, _ = install("gitops", ["--set", "clusterChecks=false"], forbidden=CLUSTER_WIDE)
    assert code
    assert "Secret talkmill-minio is not in namespace talkmill" in said


@pytest.mark.parametrize("values", ["gitops", "production"])
def test_each_secret_that_is_missing_is_named(install: Any, values: str, tmp_path: Path) -> None:
    """The Secrets that the rendered pods read, those that pull images, and no others."""
    words = [] if values == "gitops" else ["--set", "stageDefaults.autoscaling.kind=none", "--set-json",
             'monitoring={"serviceMonitor":{"enabled":false},"prometheusRule":{"enabled":false}}']  # fmt: skip
    words += written(tmp_path, {"models": {"caSecret": "registries-ca"}})
    named = names_of_secrets(objects(values, *words))
    assert "registries-ca" in named
    more = [] if values == "gitops" else [
        NVIDIA, *({"kind": "StorageClass", "metadata": {"name": name}} for name in ("shared", "fast-local"))]  # fmt: skip
    code, said, _ = install(values, words, more)
    assert code
    told = {line.split()[2] for line in said.splitlines() if line.strip().startswith("- Secret ")}
    assert told == named
    code, said, _ = install(values, words, [*more, *map(secret, named)])
    assert "is not in namespace" not in said


@pytest.mark.parametrize(
    ("values", "name", "key"),
    [
        ("gitops", "talkmill-auth", "tokens.yaml"),
        ("gitops", "talkmill-store-pack", "secret-key"),
        ("gitops", "talkmill-postgres", "url"),
        ("ingress", "talkmill-example-com", "tls.key"),
    ],
)
def test_a_secret_that_lacks_a_key_is_named(install: Any, values: str, name: str, key: str) -> None:
    found = objects(values)
    own = {one["metadata"]["name"] for one in found if one["kind"] == "Secret"}
    others = [secret(other) for other in names_of_secrets(found) - own - {name}]
    code, said, _ = install(values, more=[*others, secret(name, key)])
    assert code
    assert [line.strip() for line in said.splitlines() if line.strip().startswith("- ")] == [
        f"- Secret {name} in namespace talkmill has no key {key}"
    ]


def names_of_secrets(found: list[Object]) -> set[str]:
    names: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("secretKeyRef", "secret") and isinstance(inner, dict):
                    names.add(inner.get("name") or inner["secretName"])
                if key == "secretName" and isinstance(inner, str):
                    names.add(inner)
                if key == "imagePullSecrets":
                    names.update(one["name"] for one in inner)
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(found)
    return names


def test_storage_classes_are_asked_for_by_name(install: Any) -> None:
    words = ["--set", "minio.storageClassName=fast,stageDefaults.scratch.storageClassName=local"]
    code, said, _ = install("minimal", words)
    assert code
    assert "minio.storageClassName=fast: the cluster has standard" in said
    assert "stages.pack.scratch.storageClassName=local: the cluster has standard" in said
    assert "postgres.storageClassName" not in said
    plain = {"kind": "StorageClass", "metadata": {"name": "plain"}}
    code, said, _ = install("minimal", more=[plain], without="StorageClass")
    assert code
    assert "postgres.storageClassName: the cluster has no default StorageClass; name one of plain" in said
    words = ["--set", "minio.storageClassName=plain,postgres.storageClassName=plain"]
    assert install("minimal", words, [plain], "StorageClass")[0] == 0


def test_a_volume_of_models_that_is_missing_is_named(install: Any) -> None:
    words = ["--set", "models.cache.kind=pvc,models.cache.pvc.existingClaim=ours"]
    code, said, _ = install("minimal", words)
    assert code
    assert "models.cache.pvc.existingClaim=ours is not in namespace talkmill" in said


def test_gpus_that_no_node_has_yet_are_told_and_not_refused(install: Any) -> None:
    """A pool of nodes that is scaled to zero has none."""
    code, said, _ = install("gpu", more=[NVIDIA])
    assert code == 0, said
    assert "No node has nvidia.com/gpu for matting now." in said
    code, said, _ = install("gpu", more=[NVIDIA, gpu_node("nvidia.com/gpu")])
    assert "No node has" not in said
    words = ["--set", "stages.matting.gpu.resourceName=nvidia.com/mig-1g.10gb"]
    code, said, _ = install("gpu", words, [NVIDIA, gpu_node("nvidia.com/gpu")])
    assert "No node has nvidia.com/mig-1g.10gb for matting now." in said
    assert "for landmarks" not in said
    code, said, _ = install("gpu")
    assert code
    assert "gpu.runtimeClassName=nvidia: the cluster has no such RuntimeClass" in said


@pytest.mark.parametrize(
    ("values", "words", "says", "silent"),
    [
        ("minimal", [], ["make connect NAMESPACE=talkmill RELEASE=talkmill", "talkmill fetch runs/ID", "GitOps"], ["SERVER_CA"]),
        ("minimal", ["--set", "store.publicEndpoint=minio.example.com:9000"], ["signed for minio.example.com:9000"], []),
        ("ingress", [], ["TALKMILL_SERVER=talkmill.example.com:443", "TALKMILL_SERVER_CA="], ["make connect"]),
        ("gitops", [], ["make connect"], ["GitOps"]),
        ("minimal", ["--set", "networkPolicy.enabled=false"], ["without credentials and without TLS"], []),
    ],
)  # fmt: skip
def test_the_notes_say_how_to_reach_it(
    install: Any, values: str, words: list[str], says: list[str], silent: list[str]
) -> None:
    found = objects(values, *words)
    own = {one["metadata"]["name"] for one in found if one["kind"] == "Secret"}
    code, said, _ = install(values, words, [secret(name) for name in names_of_secrets(found) - own])
    assert code == 0, said
    notes = said.partition("NOTES:")[2]
    assert all(text in notes for text in says)
    assert not any(text in notes for text in silent)


def test_passwords_that_the_cluster_has_are_kept_and_the_job_is_told_of_others(install: Any) -> None:
    def rendered(more: Sequence[Object]) -> dict[str, Object]:
        code, said, _ = install("minimal", more=more)
        assert code == 0, said
        text = said[said.index("MANIFEST:") : said.index("NOTES:")].partition("\n")[2]
        return {one["metadata"]["name"]: one for one in yaml.safe_load_all(text) if one}

    def kept(password: str) -> Object:
        one = secret("talkmill-store-pack") | {"data": {"secret-key": password}}
        one["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
        one["metadata"]["annotations"] = {f"meta.helm.sh/release-{key}": "talkmill" for key in ("name", "namespace")}
        return one

    first, second = rendered([kept("Zmlyc3Q=")]), rendered([kept("c2Vjb25k")])
    assert first["talkmill-store-pack"]["stringData"]["secret-key"] == "first"
    jobs = [next(name for name in found if name.startswith("talkmill-store-roles-")) for found in (first, second)]
    assert jobs[0] != jobs[1]
