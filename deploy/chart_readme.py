"""`make chart-docs`: generates helm/talkmill/README.md from the comments of values.yaml."""

import re
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[1] / "helm" / "talkmill"
HEAD = """# talkmill

Generated from values.yaml by `make chart-docs`; do not edit.

The whole pipeline on Kubernetes: one Deployment a stage, the orchestrator, a Job that fetches models, and for a trial
MinIO and Postgres. [docs/operations.md](../../docs/operations.md) says how to size, scale, back up, upgrade and repair
it; [UPGRADING.md](UPGRADING.md) what changes between versions.

```sh
make deploy NAMESPACE=talkmill VALUES=helm/talkmill/ci/minimal-values.yaml   # a trial on any cluster
make smoke  NAMESPACE=talkmill                                               # the sample, up to a data set
```

`ci/gpu-values.yaml` puts the networks on GPUs; `ci/production-values.yaml` has store and database outside, mTLS,
autoscaling by KEDA and monitoring. A typo in a value is refused before anything is made, and so is a value that needs
what the cluster has not.

## Values

| value | default | |
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
            entries.append((".".join(path), shown.replace("|", "\\|"), " ".join(comment)))
        comment = []
    return entries


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme())
