"""Serve the landmarks stage: `python -m services.landmarks`, configured by the environment."""

from talkmill.serving.settings import quiet_libraries

quiet_libraries()

import sys
from typing import Any

from services.landmarks.service import METHOD
from services.landmarks.settings import LandmarksSettings
from services.landmarks.stage import LandmarksStage
from talkmill.serving.stage_models import installed
from talkmill.serving.stage_runtime import runtime_of
from talkmill.serving.stage_server import StageFor, read_settings, serve_stage
from talkmill.stage.contract import Stage


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(LandmarksSettings)
    return serve_stage(METHOD, settings, lambda: build(settings))


def build(settings: LandmarksSettings) -> tuple[StageFor, list[Stage[Any, Any]]]:
    """Return the stage of a request, and the stages to load before the server is ready."""
    model = installed(settings.models, settings.landmarks)
    stage = LandmarksStage(model, runtime_of(settings))
    return (lambda inputs: stage), [stage]


if __name__ == "__main__":
    sys.exit(main())
