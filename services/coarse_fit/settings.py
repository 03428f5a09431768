"""Settings of the coarse_fit stage's server, beside those of every stage."""

from services.settings import StageServerSettings
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.stages.coarse_fit.messages import CoarseMethod


class CoarseFitSettings(StageServerSettings):
    """Settings of the coarse fit's server.

    Attributes:
        morphable: Morphable model of `landmark-fit`.
        coarse_methods: Methods whose models are loaded before the server is ready; others are loaded when they are
            asked for, where their models are there.
    """

    morphable: str = DEFAULT_MODELS.morphable
    coarse_methods: tuple[CoarseMethod, ...] = ("landmark-fit",)
