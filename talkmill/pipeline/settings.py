"""Settings of `talkmill run`: model folder and execution provider. They never change the numbers; parameters do."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from talkmill.models.settings import ModelSettings


class Settings(BaseSettings):
    """`TALKMILL_*` in the environment, `__` between levels: the embedded mode.

    Attributes:
        models: Where models lie.
        execution_provider: What runs the networks.
        gpu: Number of the GPU.
        threads: Threads of one network; 0 shares the machine's cores among the jobs.
    """

    model_config = SettingsConfigDict(env_prefix="TALKMILL_", env_nested_delimiter="__", extra="ignore")

    models: ModelSettings = Field(default_factory=ModelSettings)
    execution_provider: Literal["auto", "cpu", "openvino", "cuda", "tensorrt"] = "auto"
    gpu: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0)
