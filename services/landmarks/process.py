"""The process that serves the landmarks stage: its settings, and how its stage is built."""

from services.landmarks.settings import LandmarksSettings
from services.models import installed
from services.process import Built, one_stage
from services.runtime import runtime_of
from talkmill.stages.landmarks.stage import LandmarksStage

SETTINGS = LandmarksSettings


def build(settings: LandmarksSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    return one_stage(LandmarksStage(installed(settings.models, settings.landmarks), runtime_of(settings)))
