"""Settings of the stages' servers. They never change the numbers; parameters do. Read once, in `__main__`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from talkmill.environment import cache_folder, core_count
from talkmill.models.settings import ModelSettings
from talkmill.serving.settings import ServerSettings, StoreSettings


class ModelFetchSettings(BaseSettings):
    """Settings of `services.model_fetch`.

    Attributes:
        models: Where models lie, and the mirror that is tried first.
        store: The object store that has the model bucket.
        log_level: `debug`, `info`, `warning` or `error`.
    """

    model_config = SettingsConfigDict(env_prefix="TALKMILL_", env_nested_delimiter="__", extra="ignore")

    models: ModelSettings = Field(default_factory=ModelSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class StageServerSettings(ServerSettings):
    """Settings of every stage's server.

    Attributes:
        models: Where models lie.
        execution_provider: What runs the networks.
        gpu: Number of the GPU that this process works on; one process a GPU uses them all.
        threads: Threads of one network; 0 shares the cores among the slots.
        cores: Cores that this process may use; 0 asks the machine, which does not know of a pod's share.
        slots: Executions at a time.
        scratch: Folder for temporary files; emptied at start.
        linger_seconds: Work goes on for so long without a caller, and a result is kept for so long.
    """

    models: ModelSettings = Field(default_factory=ModelSettings)
    execution_provider: Literal["auto", "cpu", "openvino", "cuda", "tensorrt"] = "auto"
    gpu: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0)
    cores: int = Field(default=0, ge=0)
    slots: int = Field(default=1, ge=1, le=1024)
    scratch: Path = Field(default_factory=lambda: cache_folder() / "scratch")
    linger_seconds: float = Field(default=15, gt=0)

    @property
    def threads_of_network(self) -> int:
        """Threads of one network."""
        return self.threads or max(1, (self.cores or core_count()) // self.slots)
