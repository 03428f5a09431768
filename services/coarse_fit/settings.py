"""Settings of the coarse_fit stage's server, beside those of every stage."""

from talkmill.serving.settings import StageServerSettings


class CoarseFitSettings(StageServerSettings):
    """Settings of the coarse fit's server.

    Attributes:
        morphable: Morphable model.
    """

    morphable: str = "makehuman-head"
