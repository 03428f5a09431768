"""Serve the pack stage: `python -m services.pack`, configured by the environment."""

from talkmill.serving.settings import quiet_libraries

quiet_libraries()

import sys
from typing import Any

from services.pack.service import METHOD
from services.pack.stage import PackStage
from talkmill.serving.settings import StageServerSettings
from talkmill.serving.stage_server import StageFor, read_settings, serve_stage
from talkmill.stage.contract import Stage


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(StageServerSettings)
    return serve_stage(METHOD, settings, lambda: build(settings))


def build(settings: StageServerSettings) -> tuple[StageFor, list[Stage[Any, Any]]]:
    """Return the stage of a request, and the stages to load before the server is ready."""
    stage = PackStage()
    return (lambda inputs: stage), [stage]


if __name__ == "__main__":
    sys.exit(main())
