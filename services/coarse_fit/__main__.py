"""Serve the coarse_fit stage: `python -m services.coarse_fit`, configured by the environment."""

from talkmill.serving.settings import quiet_libraries

quiet_libraries()

import sys
from functools import cache
from typing import Any

from services.coarse_fit.messages import CoarseFitInputs, CoarseMethod
from services.coarse_fit.service import METHOD
from services.coarse_fit.settings import CoarseFitSettings
from services.coarse_fit.stage import CoarseFitStage
from talkmill.inference.precision import Precision
from talkmill.serving.stage_models import installed
from talkmill.serving.stage_runtime import runtime_of
from talkmill.serving.stage_server import StageFor, read_settings, serve_stage
from talkmill.stage.contract import Stage


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(CoarseFitSettings)
    return serve_stage(METHOD, settings, lambda: build(settings))


def build(settings: CoarseFitSettings) -> tuple[StageFor, list[Stage[Any, Any]]]:
    """Return the stage of a request, and the stages to load before the server is ready."""
    runtime = runtime_of(settings)

    @cache
    def stage_of(method: CoarseMethod, precision: Precision) -> CoarseFitStage:
        model = settings.morphable if method == "landmark-fit" else method
        return CoarseFitStage(method, installed(settings.models, model), runtime, precision)

    def stage_for(inputs: CoarseFitInputs) -> CoarseFitStage:
        return stage_of(inputs.parameters.method, inputs.parameters.precision)

    return stage_for, [stage_of(method, "fp32") for method in settings.coarse_methods]


if __name__ == "__main__":
    sys.exit(main())
