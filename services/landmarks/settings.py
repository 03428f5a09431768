"""Settings of the landmarks stage's server, beside those of every stage."""

from talkmill.serving.settings import StageServerSettings


class LandmarksSettings(StageServerSettings):
    """Settings of the landmarks stage's server.

    Attributes:
        landmarks: Landmark model.
    """

    landmarks: str = "face-api-68"
