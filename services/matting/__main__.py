"""Serve the matting stage: `python -m services.matting`, configured by the environment."""

from talkmill.serving.settings import quiet_libraries

quiet_libraries()

import sys
from functools import cache
from typing import Any

from services.matting.messages import MATTING_METHODS, MattingInputs, MattingMethod
from services.matting.service import METHOD
from services.matting.settings import MattingSettings
from services.matting.stage import MattingStage
from talkmill.inference.precision import Precision
from talkmill.serving.stage_models import installed
from talkmill.serving.stage_runtime import runtime_of
from talkmill.serving.stage_server import StageFor, read_settings, serve_stage
from talkmill.stage.contract import Stage


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(MattingSettings)
    return serve_stage(METHOD, settings, lambda: build(settings))


def build(settings: MattingSettings) -> tuple[StageFor, list[Stage[Any, Any]]]:
    """Return the stage of a request, and the stages to load before the server is ready."""
    runtime = runtime_of(settings)

    @cache
    def stage_of(method: MattingMethod, precision: Precision) -> MattingStage:
        models = {name: installed(settings.models, name) for name in MATTING_METHODS[method]}
        return MattingStage(models, runtime, precision)

    def stage_for(inputs: MattingInputs) -> MattingStage:
        return stage_of(inputs.parameters.method, inputs.parameters.precision)

    return stage_for, [stage_of(method, "fp32") for method in settings.methods]


if __name__ == "__main__":
    sys.exit(main())
