"""Settings of the embedded mode. The only place of this package that reads the environment.

Settings never change the numbers; parameters do.
"""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from talkmill.serving.settings import ModelSettings


class Settings(BaseSettings):
    """`TALKMILL_*` in the environment, `__` between levels.

    Attributes:
        models: Where models lie.
        execution_provider: What runs the networks.
        threads: Threads of one network; 0 shares the machine's cores among the jobs.
    """

    model_config = SettingsConfigDict(env_prefix="TALKMILL_", env_nested_delimiter="__", extra="ignore")

    models: ModelSettings = Field(default_factory=ModelSettings)
    execution_provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    threads: int = Field(default=0, ge=0)
