"""Settings of the fine_fit stage's server, beside those of every stage."""

from talkmill.serving.settings import StageServerSettings


class FineFitSettings(StageServerSettings):
    """Settings of the fine fit's server.

    Attributes:
        morphable: Morphable model.
    """

    morphable: str = "makehuman-head"
