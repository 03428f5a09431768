"""Serve the split stage: `python -m services.split`, configured by the environment."""

from talkmill.serving.settings import quiet_libraries

quiet_libraries()

import sys
from typing import Any

from services.split.service import METHOD
from services.split.settings import SplitSettings
from services.split.stage import SplitStage
from talkmill.serving.stage_models import installed
from talkmill.serving.stage_runtime import runtime_of
from talkmill.serving.stage_server import StageFor, read_settings, serve_stage
from talkmill.stage.contract import Stage


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(SplitSettings)
    return serve_stage(METHOD, settings, lambda: build(settings))


def build(settings: SplitSettings) -> tuple[StageFor, list[Stage[Any, Any]]]:
    """Return the stage of a request, and the stages to load before the server is ready."""
    detector = installed(settings.models, settings.detector)
    stage = SplitStage(detector, runtime_of(settings), settings.limits)
    return (lambda inputs: stage), [stage]


if __name__ == "__main__":
    sys.exit(main())
