"""Settings of the embedded mode. The only place of this package that reads the environment.

Settings never change the numbers; parameters do.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "talkmill"


class ModelSettings(BaseModel):
    """Where models lie.

    Attributes:
        directory: Folder of fetched models.
        mirror: Folder of published files that is tried before any registry.
    """

    directory: Path = Field(default_factory=lambda: _cache_folder() / "models")
    mirror: Path | None = None


class Settings(BaseSettings):
    """`TALKMILL_*` in the environment, `__` between levels.

    Attributes:
        models: Where models lie.
        execution_provider: What runs the networks.
        threads: Threads of one network; 0 shares the machine's cores among the jobs.
    """

    model_config = SettingsConfigDict(env_prefix="TALKMILL_", env_nested_delimiter="__", extra="forbid")

    models: ModelSettings = Field(default_factory=ModelSettings)
    execution_provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    threads: int = Field(default=0, ge=0)


def quiet_libraries() -> None:
    """Keep native libraries to one thread of linear algebra and off the terminal; call before they are loaded."""
    # The fits solve many small systems: a second BLAS thread makes them slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("SVT_LOG", "1")
