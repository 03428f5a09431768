"""The process that serves the coarse_fit stage: its settings, and how its stage is built."""

from functools import cache

from services.coarse_fit.settings import CoarseFitSettings
from services.models import installed
from services.process import Built
from services.runtime import runtime_of
from talkmill.inference.precision import Precision
from talkmill.stages.coarse_fit.messages import CoarseFitInputs, CoarseMethod
from talkmill.stages.coarse_fit.stage import CoarseFitStage

SETTINGS = CoarseFitSettings


def build(settings: CoarseFitSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    runtime = runtime_of(settings)

    @cache
    def stage_of(method: CoarseMethod, precision: Precision) -> CoarseFitStage:
        model = settings.morphable if method == "landmark-fit" else method
        return CoarseFitStage(method, installed(settings.models, model), runtime, precision)

    def stage_for(inputs: CoarseFitInputs) -> CoarseFitStage:
        return stage_of(inputs.parameters.method, inputs.parameters.precision)

    return stage_for, [stage_of(method, "fp32") for method in settings.coarse_methods]
