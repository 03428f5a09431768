"""Serve the fine_fit stage: `python -m services.fine_fit`, configured by the environment."""

from talkmill.serving.settings import quiet_libraries

quiet_libraries()

import sys
from typing import Any

from services.fine_fit.service import METHOD
from services.fine_fit.settings import FineFitSettings
from services.fine_fit.stage import FineFitStage
from talkmill.fitting.device import choose_device
from talkmill.serving.stage_models import installed
from talkmill.serving.stage_server import StageFor, read_settings, serve_stage
from talkmill.stage.contract import Stage


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(FineFitSettings)
    return serve_stage(METHOD, settings, lambda: build(settings))


def build(settings: FineFitSettings) -> tuple[StageFor, list[Stage[Any, Any]]]:
    """Return the stage of a request, and the stages to load before the server is ready."""
    device = choose_device(settings.execution_provider, settings.gpu)
    stage = FineFitStage(installed(settings.models, settings.morphable), device, settings.threads_of_network)
    return (lambda inputs: stage), [stage]


if __name__ == "__main__":
    sys.exit(main())
