"""The process that serves the split stage: its settings, and how its stage is built."""

from services.models import installed
from services.process import Built, one_stage
from services.runtime import runtime_of
from services.split.settings import SplitSettings
from talkmill.stages.split.stage import SplitStage

SETTINGS = SplitSettings


def build(settings: SplitSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    detector = installed(settings.models, settings.detector)
    return one_stage(SplitStage(detector, runtime_of(settings), settings.limits))
