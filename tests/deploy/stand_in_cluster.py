"""A stand-in for the API server of a cluster: real helm and kubectl ask it, and it knows the objects that it was given.

It answers discovery, reading, deleting and the logs of pods, and refuses what the caller may not do. Nothing runs in it.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
# Group and version, plural, kind, whether it is in a namespace.
RESOURCES = [
    ("v1", "namespaces", "Namespace", False),
    ("v1", "nodes", "Node", False),
    ("v1", "pods", "Pod", True),
    ("v1", "events", "Event", True),
    ("v1", "secrets", "Secret", True),
    ("v1", "serviceaccounts", "ServiceAccount", True),
    ("v1", "persistentvolumeclaims", "PersistentVolumeClaim", True),
    ("v1", "configmaps", "ConfigMap", True),
    ("v1", "services", "Service", True),
    ("apps/v1", "deployments", "Deployment", True),
    ("apps/v1", "statefulsets", "StatefulSet", True),
    ("batch/v1", "jobs", "Job", True),
    ("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", True),
    ("networking.k8s.io/v1", "ingresses", "Ingress", True),
    ("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", False),
    ("storage.k8s.io/v1", "storageclasses", "StorageClass", False),
]


def a_cluster(namespace: str = "talkmill") -> list[Object]:
    """What every cluster has: namespaces, their default accounts, a default StorageClass, a node."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        *({"kind": "Namespace", "metadata": {"name": name}} for name in ("kube-system", namespace)),
        {"kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}},
        {"kind": "StorageClass", "metadata": {"name": "standard", "annotations": default}},
        {"kind": "Node", "metadata": {"name": "one"}, "status": {"allocatable": {"cpu": "4"}}},
    ]


@dataclass
class StandInCluster:
    """What the API knows.

    Attributes:
        objects: Of every kind.
        forbidden: Plurals that the caller may not read, such as `nodes`.
        logs: `POD/CONTAINER` to what it logged.
        calls: Method and path of every call.
        kubeconfig: A file for helm and kubectl.
    """

    objects: Sequence[Object]
    forbidden: frozenset[str] = frozenset()
    logs: Mapping[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    kubeconfig: Path = Path()

    def answer(self, method: str, path: str) -> tuple[int, Object | str]:
        """Return status and body."""
        self.calls.append((method, path))
        parts, query = urlsplit(path).path.strip("/").split("/"), parse_qs(urlsplit(path).query)
        match parts:
            case ["version"]:
                return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
            case ["api"]:
                return 200, {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
            case ["api", "v1"] | ["apis", _, _]:
                return 200, _resources("/".join(parts[1:]))
        version_length = 2 if parts[0] == "api" else 3
        version, rest = "/".join(parts[1:version_length]), parts[version_length:]
        namespace = None
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        known = [one for one in RESOURCES if one[0] == version and one[1] == rest[0]] if rest else []
        if not known:
            return 404, _status(404, "NotFound", f"the server could not find {path}")
        _, plural, kind, _ = known[0]
        if plural in self.forbidden:
            return 403, _status(
                403, "Forbidden", f'{plural} is forbidden: User "alice" cannot list resource "{plural}"'
            )
        if rest[2:] == ["log"]:
            return 200, self.logs.get(f"{rest[1]}/{query.get('container', [''])[0]}", "")
        found = [
            {"apiVersion": version, **one}
            for one in self.objects
            if one["kind"] == kind and namespace in (None, one["metadata"].get("namespace"))
            and _selected(one, query.get("labelSelector", [""])[0])
        ]  # fmt: skip
        if len(rest) == 1:
            return 200, {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": found}
        (one,) = [one for one in found if one["metadata"]["name"] == rest[1]] or [None]
        if one is None:
            return 404, _status(404, "NotFound", f'{plural} "{rest[1]}" not found')
        if method == "DELETE":
            self.objects = [other for other in self.objects if other["metadata"]["name"] != rest[1]]
        return 200, one


def _groups() -> list[Object]:
    groups = []
    for version in dict.fromkeys(one[0] for one in RESOURCES if "/" in one[0]):
        name, number = version.split("/")
        entry = {"groupVersion": version, "version": number}
        groups.append({"name": name, "versions": [entry], "preferredVersion": entry})
    return groups


def _resources(version: str) -> Object:
    verbs = ["get", "list", "watch", "delete"]
    entries = [
        {"name": plural, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": verbs}
        for of, plural, kind, namespaced in RESOURCES
        if of == version
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": entries}


def _selected(one: Object, selector: str) -> bool:
    labels = one["metadata"].get("labels", {})
    wanted = [pair.split("=") for pair in selector.split(",") if pair]
    return all(labels.get(name) == value for name, value in wanted)


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }


@contextmanager
def stand_in_cluster(folder: Path, objects: Sequence[Object], **options: Any) -> Iterator[StandInCluster]:
    """Serve a cluster on loopback."""
    cluster = StandInCluster(list(objects), **options)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, body = cluster.answer(self.command, self.path)
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_DELETE = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cluster.kubeconfig = folder / "kubeconfig"
    cluster.kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "stand-in",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "contexts": [{"name": "stand-in", "context": {"cluster": "c", "user": "alice"}}],
                "users": [{"name": "alice", "user": {}}],
            }
        )
    )
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
