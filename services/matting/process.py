"""The process that serves the matting stage: its settings, and how its stage is built."""

from functools import cache

from services.matting.settings import MattingSettings
from services.models import installed
from services.process import Built
from services.runtime import runtime_of
from talkmill.inference.precision import Precision
from talkmill.stages.matting.messages import MATTING_METHODS, MattingInputs, MattingMethod
from talkmill.stages.matting.stage import MattingStage

SETTINGS = MattingSettings


def build(settings: MattingSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    runtime = runtime_of(settings)

    @cache
    def stage_of(method: MattingMethod, precision: Precision) -> MattingStage:
        models = {name: installed(settings.models, name) for name in MATTING_METHODS[method]}
        return MattingStage(models, runtime, precision)

    def stage_for(inputs: MattingInputs) -> MattingStage:
        return stage_of(inputs.parameters.method, inputs.parameters.precision)

    return stage_for, [stage_of(method, "fp32") for method in settings.methods]
