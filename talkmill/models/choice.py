"""The models that a user may choose, and the defaults."""

from dataclasses import dataclass
from typing import Annotated

from talkmill.option import Option, Options


@dataclass(frozen=True)
class ModelChoice(Options):
    """Ids of models in the catalogue."""

    landmarks: Annotated[str, Option("Landmark model.", metavar="ID")] = "face-mesh-478"
    morphable: Annotated[str, Option("Morphable model.", metavar="ID")] = "makehuman-head"
    detector: Annotated[str, Option("Face detector.", metavar="ID")] = "faceboxes-v2"


DEFAULT_MODELS = ModelChoice()
