"""How clients outside the cluster reach the services: by TLS, or not at all."""

import pytest

from deploy.chart_check import CHART, chosen, helm
from tests.helm.chart import VALUES, containers, environment, named, objects, pods, refused

HOST, STORE = "talkmill.example.com", "store.talkmill.example.com"


@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort"])
def test_what_is_exposed_without_tls_is_refused(kind: str) -> None:
    says = refused("minimal", "--set", f"orchestrator.service.type={kind}")
    assert f"orchestrator.service.type={kind}: tokens and videos would leave the cluster in plain text" in says
    found = objects("production", "--set", f"orchestrator.service.type={kind}")
    assert named(found, "Service", "talkmill-orchestrator")["spec"]["type"] == kind


def test_metrics_are_not_exposed_with_the_calls() -> None:
    found = objects("production", "--set", "orchestrator.service.type=LoadBalancer")
    exposed = named(found, "Service", "talkmill-orchestrator")["spec"]
    assert [port["name"] for port in exposed["ports"]] == ["grpc"]
    inside = named(found, "Service", "talkmill-orchestrator-metrics")["spec"]
    assert inside.get("type", "ClusterIP") == "ClusterIP"
    assert inside["selector"] == exposed["selector"]
    assert [port["name"] for port in inside["ports"]] == ["metrics"]


def test_an_ingress_reaches_orchestrator_and_store_by_tls() -> None:
    found = objects("ingress")
    for name, host, port in (("talkmill-orchestrator", HOST, 50051), ("talkmill-minio", STORE, 9000)):
        spec = named(found, "Ingress", name)["spec"]
        (rule,), (tls,) = spec["rules"], spec["tls"]
        assert (rule["host"], tls["hosts"]) == (host, [host])
        assert tls["secretName"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        assert backend == {"name": name, "port": {"number": port}}
        assert port in [one["port"] for one in named(found, "Service", name)["spec"]["ports"]]
    variables = environment(pods(found)["orchestrator"]["containers"][0])
    assert variables["TALKMILL_STORE__PUBLIC_ENDPOINT"] == f"{STORE}:443"
    assert variables["TALKMILL_STORE__PUBLIC_SECURE"] == "true"


def test_routes_of_a_gateway_reach_orchestrator_and_store() -> None:
    found = objects("gateway")
    for kind, name, host, port in (
        ("GRPCRoute", "talkmill-orchestrator", HOST, 50051),
        ("HTTPRoute", "talkmill-minio", STORE, 9000),
    ):
        spec = named(found, kind, name)["spec"]
        assert spec["hostnames"] == [host]
        assert spec["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
        assert spec["rules"][0]["backendRefs"] == [{"name": name, "port": port}]
    service = named(found, "Service", "talkmill-orchestrator")["spec"]
    assert service["ports"][0]["appProtocol"] == "kubernetes.io/h2c"


def test_an_orchestrator_that_speaks_tls_itself_is_passed_through() -> None:
    words = ["--set", f"expose.kind=gateway,expose.orchestratorHost={HOST},expose.gateway.parentRefs[0].name=public"]
    found = objects("production", *words)
    route = named(found, "TLSRoute", "talkmill-orchestrator")
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1alpha2"
    assert [one for one in found if one["kind"] in ("GRPCRoute", "HTTPRoute", "Ingress")] == []
    newer = objects("production", *words, "--api-versions", "gateway.networking.k8s.io/v1/TLSRoute")
    assert named(newer, "TLSRoute", "talkmill-orchestrator")["apiVersion"] == "gateway.networking.k8s.io/v1"
    service = named(found, "Service", "talkmill-orchestrator")["spec"]
    assert service["ports"][0]["appProtocol"] == "https"


@pytest.mark.parametrize("values", ["ingress", "gateway"])
def test_the_controller_may_reach_what_it_exposes(values: str) -> None:
    found = objects(values)
    for part, port in (("orchestrator", 50051), ("minio", 9000)):
        policy = named(found, "NetworkPolicy", f"talkmill-{part}")["spec"]
        names = [
            peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", "")
            for rule in policy["ingress"]
            if port in [one["port"] for one in rule["ports"]]
            for peer in rule["from"]
        ]
        assert set(names) & {"ingress-nginx", "gateways"}


@pytest.mark.parametrize(
    ("values", "change", "says"),
    [
        ("ingress", "expose.orchestratorHost=", "expose.orchestratorHost: the name"),
        ("ingress", "expose.storeHost=", "expose.storeHost: the name by which clients reach the trial MinIO"),
        ("ingress", "expose.ingress.orchestratorTlsSecret=", "expose.ingress.orchestratorTlsSecret: a Secret"),
        ("ingress", "expose.ingress.storeTlsSecret=", "expose.ingress.storeTlsSecret: a Secret"),
        ("ingress", "networkPolicy.clients=null", "networkPolicy.clients: where the controller of the ingress runs"),
        ("gateway", "expose.gateway.parentRefs=null", "expose.gateway.parentRefs: the Gateway"),
        ("production", "expose.kind=ingress,expose.storeHost=a.example.com", "has an address of its own"),
    ],
)
def test_what_exposing_needs_is_said(values: str, change: str, says: str) -> None:
    assert says in refused(values, "--set", change)


def test_nothing_is_exposed_by_itself() -> None:
    assert not [one for one in objects("minimal") if one["kind"] in ("Ingress", "GRPCRoute", "HTTPRoute", "TLSRoute")]


def test_a_digest_pins_an_image() -> None:
    """Of what the chart itself names: minio.image and postgres.image are names that may have a digest."""
    digests = {"split-cuda": "sha256:" + "1" * 64, "orchestrator": "sha256:" + "2" * 64}
    words = [word for name, digest in digests.items() for word in ("--set", f"image.digests.{name}={digest}")]
    images = {one["image"] for pod in pods(objects("gpu", *words)).values() for one in containers(pod)}
    pinned = {name.rpartition("@")[2]: name.rpartition("@")[0] for name in images if "@" in name}
    tag = next(name for name in images if "/crop:" in name).rpartition(":")[2]
    assert [pinned[digest].rpartition("/")[2] for digest in digests.values()] == [
        f"split:{tag}-cuda",
        f"orchestrator:{tag}",
    ]
    assert len(pinned) == 2
    assert "image.digests" in refused("minimal", "--set", "image.digests.split=latest").replace("/", ".")


def test_images_have_no_registry_by_default() -> None:
    """They are published nowhere: a default would end in ErrImagePull."""
    words = [word for word in chosen(VALUES["minimal"]) if not word.startswith("image.registry")][:-1]
    done = helm(["template", "talkmill", str(CHART), *words])
    assert done.returncode
    assert (
        "image.registry: where you pushed the images to; they are published nowhere: `make images push" in done.stderr
    )
