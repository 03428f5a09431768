"""The process that serves the landmarks stage: its settings, and how its stage is built."""

from services.landmarks.settings import LandmarksSettings
from services.models import installed
from services.process import Built, one_stage
from services.runtime import runtime_of
from talkmill.models.catalogue import find
from talkmill.stages.landmarks.stage import LandmarksStage, networks_of

SETTINGS = LandmarksSettings


def build(settings: LandmarksSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    find(settings.landmarks, "landmarks")
    networks = {name: installed(settings.models, name) for name in networks_of(settings.landmarks)}
    return one_stage(LandmarksStage(settings.landmarks, networks, runtime_of(settings)))
