"""Every PromQL expression of the dashboards, the recording rules and the alerts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


def panel_expressions() -> Iterator[str]:
    """With the defaults of the dashboards' variables in their place."""
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        values = {one["name"]: one.get("query") for one in board["templating"]["list"] if one["type"] == "textbox"}
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield re.sub(r"\$(\w+)", lambda match: str(values[match[1]]), target["expr"])  # noqa: B023


def _rules(name: str) -> Iterator[str]:
    for group in yaml.safe_load((DEPLOY / "prometheus/rules" / name).read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def rule_expressions() -> Iterator[str]:
    return _rules("recording.yml")


def alert_expressions() -> Iterator[str]:
    return _rules("alerts.yml")


def selectors(expression: str) -> list[str]:
    """The vector selectors of an expression, with their matchers and without their ranges."""
    pattern = r"\b(?:talkmill_\w+|DCGM_\w+|up(?=\{)|(?:stage|outcome)\w*:[\w:]+)(?:\{[^}]*\})?"
    return re.findall(pattern, expression)
