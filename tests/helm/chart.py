"""The chart, rendered."""

from pathlib import Path
from typing import Any

import yaml

from deploy.chart_check import render, values_files

Object = dict[str, Any]
VALUES = {path.name.removesuffix("-values.yaml"): path for path in values_files()}


def objects(values: str, *words: str) -> list[Object]:
    """The objects of a values file, with `--set` and the like behind."""
    done = render(VALUES[values], 4, *words)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def refused(values: str, *words: str) -> str:
    """Why Helm does not render."""
    done = render(VALUES[values], 4, *words)
    assert done.returncode != 0, "it was rendered"
    return done.stderr


def written(tmp_path: Path, values: Object) -> tuple[str, str]:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    return "--values", str(path)


def named(found: list[Object], kind: str, name: str) -> Object:
    (one,) = [one for one in found if one["kind"] == kind and one["metadata"]["name"] == name]
    return one


def pods(found: list[Object]) -> dict[str, Object]:
    """Every pod specification by the component that it belongs to."""
    specifications = {}
    for one in found:
        if one["kind"] == "Pod":
            specifications[one["metadata"]["labels"]["app.kubernetes.io/component"]] = one["spec"]
        elif one["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = one["spec"]["template"]
            specifications[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template["spec"]
    return specifications


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def environment(container: Object) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}
