"""Settings of the split stage's server, beside those of every stage."""

from talkmill.serving.settings import StageServerSettings
from talkmill.video.limits import VideoLimits


class SplitSettings(StageServerSettings):
    """Settings of the split stage's server.

    Attributes:
        detector: Face detector.
        limits: Of the videos that are taken.
    """

    detector: str = "faceboxes-v2"
    limits: VideoLimits = VideoLimits()
