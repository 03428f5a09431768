"""Settings of the fine_fit stage's server, beside those of every stage."""

from services.settings import StageServerSettings
from talkmill.models.choice import DEFAULT_MODELS


class FineFitSettings(StageServerSettings):
    """Settings of the fine fit's server.

    Attributes:
        morphable: Morphable model.
    """

    morphable: str = DEFAULT_MODELS.morphable
