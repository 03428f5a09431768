"""The process that serves the fine_fit stage: its settings, and how its stage is built."""

from services.fine_fit.settings import FineFitSettings
from services.models import installed
from services.process import Built, one_stage
from talkmill.stages.fine_fit.stage import FineFitStage

SETTINGS = FineFitSettings


def build(settings: FineFitSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    return one_stage(FineFitStage(installed(settings.models, settings.morphable), settings.threads_of_network))
