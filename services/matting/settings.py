"""Settings of the matting stage's server, beside those of every stage."""

from services.settings import StageServerSettings
from talkmill.stages.matting.messages import MattingMethod


class MattingSettings(StageServerSettings):
    """Settings of the matting stage's server.

    Attributes:
        methods: Methods whose models are loaded before the server is ready; others are loaded when they are asked for,
            where their models are there.
    """

    methods: tuple[MattingMethod, ...] = ("fusion",)
