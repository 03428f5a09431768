"""Settings of the model folder."""

from pathlib import Path

from pydantic import BaseModel, Field

from talkmill.environment import cache_folder


class ModelSettings(BaseModel):
    """Where models lie.

    Attributes:
        directory: Folder of fetched models.
        mirror: Folder of published files that is tried before any registry.
    """

    directory: Path = Field(default_factory=lambda: cache_folder() / "models")
    mirror: Path | None = None
