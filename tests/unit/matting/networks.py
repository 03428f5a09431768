"""Networks that answer with a channel of their picture: what goes in is known, and where it comes out."""

from collections.abc import Mapping

from talkmill.arrays import Float32Array
from talkmill.matting.salient import IMAGENET_MEAN, IMAGENET_STD


class SelfieOf:
    """Answers with a channel, as selfie-256 is shaped."""

    model_id, execution_provider, input_names = "selfie", "", ("image",)

    def __init__(self, channel: int) -> None:
        self.metadata: dict[str, str] = {}
        self._channel = channel

    def run(self, inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
        return [inputs["image"][..., self._channel : self._channel + 1]]


class SalientOf:
    """Answers with a channel, as u2netp is shaped; counts its runs."""

    model_id, execution_provider, input_names = "salient", "", ("image",)

    def __init__(self, channel: int) -> None:
        self.metadata: dict[str, str] = {}
        self._channel = channel
        self.run_count = 0

    def run(self, inputs: Mapping[str, Float32Array]) -> list[Float32Array]:
        self.run_count += 1
        plane = inputs["image"][:, self._channel : self._channel + 1]
        return [plane * IMAGENET_STD[self._channel] + IMAGENET_MEAN[self._channel]]
