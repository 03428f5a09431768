"""Settings of the landmarks stage's server, beside those of every stage."""

from services.settings import StageServerSettings
from talkmill.models.choice import DEFAULT_MODELS


class LandmarksSettings(StageServerSettings):
    """Settings of the landmarks stage's server.

    Attributes:
        landmarks: Landmark model.
    """

    landmarks: str = DEFAULT_MODELS.landmarks
