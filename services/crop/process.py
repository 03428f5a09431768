"""The process that serves the crop stage: its settings, and how its stage is built."""

from services.process import Built, one_stage
from services.settings import StageServerSettings
from talkmill.stages.crop.stage import CropStage

SETTINGS = StageServerSettings


def build(settings: StageServerSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    return one_stage(CropStage())
