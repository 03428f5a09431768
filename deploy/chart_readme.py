"""`make chart-docs`: generates helm/talkmill/README.md from the comments of values.yaml."""

import re
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[1] / "helm" / "talkmill"
HEAD = """# The chart

Generated from values.yaml by `make chart-docs`; do not edit.

The whole pipeline on Kubernetes: one Deployment per stage, the orchestrator, a Job that fetches models, and for a trial
MinIO and Postgres. [Operate a cluster](../../docs/operations.md) says how to size, scale, back up and repair it.
[Upgrading](UPGRADING.md) says what changes between versions.

```sh
# The images are published nowhere: build them and push them to a registry that the cluster can pull from.
make images push REGISTRY=registry.example.com/talkmill
# A trial on any cluster with 2 CPU and 6 GiB to spare, then the sample through it.
make deploy REGISTRY=registry.example.com/talkmill NAMESPACE=talkmill
make smoke NAMESPACE=talkmill
```

| values | for | APIs of others |
|---|---|---|
| `ci/minimal-values.yaml` | a trial: MinIO and Postgres beside, small requests; what `make deploy` takes by default | |
| `ci/gpu-values.yaml` | networks on GPUs | |
| `ci/ingress-values.yaml` | clients outside the cluster, by TLS | |
| `ci/gateway-values.yaml` | the same by the Gateway API | `gateway.networking.k8s.io/v1` |
| `ci/gitops-values.yaml` | Argo CD and Flux: every Secret is one of your own, every render is the same | |
| `ci/production-values.yaml` | store and database outside the chart, mTLS, autoscaling by KEDA, monitoring | \
`keda.sh/v1alpha1` `monitoring.coreos.com/v1` |
| `ci/spot-values.yaml` | laid over another file: stages on nodes that a cloud may take back | those of the other file |

`make deploy` asks the cluster for its APIs. `helm template` asks no cluster and is told of them:

```sh
helm template talkmill helm/talkmill --values helm/talkmill/ci/production-values.yaml \\
  --set image.registry=registry.example.com/talkmill \\
  --api-versions keda.sh/v1alpha1 --api-versions monitoring.coreos.com/v1
```

Before anything is created, the chart refuses a value that does not exist and one that needs what the cluster lacks. It
asks for nodes, StorageClasses and RuntimeClasses; `clusterChecks=false` leaves that out, for who may read one namespace
alone.

## Values

| value | default | meaning |
|---|---|---|
"""


def readme() -> str:
    """Return the page."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    values: dict[str, Any] = yaml.safe_load("\n".join(lines))
    return HEAD + "".join(f"| `{path}` | {shown} | {says} |\n" for path, shown, says in _entries(lines, values))


def _entries(lines: list[str], values: dict[str, Any]) -> list[tuple[str, str, str]]:
    entries: list[tuple[str, str, str]] = []
    path: list[str] = []
    comment: list[str] = []
    for line in lines:
        match = re.match(r"( *)([A-Za-z_-][\w-]*):(.*)", line)
        if line.strip().startswith("#"):
            comment.append(line.strip().lstrip("# "))
            continue
        if match is None:
            comment = []
            continue
        del path[len(match[1]) // 2 :]
        path.append(match[2])
        value: Any = values
        for key in path:
            value = value[key] if isinstance(value, dict) else None
        if value is None and not match[3].strip().startswith("null"):
            # Inside a list: its own line shows the whole.
            comment = []
            continue
        opens = isinstance(value, dict) and not match[3].strip()
        if not opens or comment:
            shown = "" if opens else f"`{yaml.safe_dump(value, default_flow_style=True, width=1000).split(chr(10))[0]}`"
            entries.append((".".join(path), shown.replace("|", "\\|"), " ".join(comment).replace("<", "&lt;")))
        comment = []
    return entries


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme())
