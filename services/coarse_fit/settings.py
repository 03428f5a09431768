"""Settings of the coarse_fit stage's server, beside those of every stage."""

from services.coarse_fit.messages import CoarseMethod
from talkmill.serving.settings import StageServerSettings


class CoarseFitSettings(StageServerSettings):
    """Settings of the coarse fit's server.

    Attributes:
        morphable: Morphable model of `landmark-fit`.
        coarse_methods: Methods whose models are loaded before the server is ready; others are loaded when they are
            asked for, where their models are there.
    """

    morphable: str = "makehuman-head"
    coarse_methods: tuple[CoarseMethod, ...] = ("landmark-fit",)
