"""Settings of the matting stage's server, beside those of every stage."""

from services.matting.messages import MattingMethod
from talkmill.serving.settings import StageServerSettings


class MattingSettings(StageServerSettings):
    """Settings of the matting stage's server.

    Attributes:
        methods: Methods whose models are loaded before the server is ready; others are loaded when they are asked for,
            where their models are there.
    """

    methods: tuple[MattingMethod, ...] = ("fusion",)
