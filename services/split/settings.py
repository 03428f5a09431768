"""Settings of the split stage's server, beside those of every stage."""

from services.settings import StageServerSettings
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.video.limits import VideoLimits


class SplitSettings(StageServerSettings):
    """Settings of the split stage's server.

    Attributes:
        detector: Face detector.
        limits: Of the videos that are taken.
    """

    detector: str = DEFAULT_MODELS.detector
    limits: VideoLimits = VideoLimits()
