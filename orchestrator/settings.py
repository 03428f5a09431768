"""Settings of the command line, the orchestrator's server and its clients.

Settings never change the numbers; parameters do. With the settings of the servers, the only place that reads the
environment.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.tls import ClientTls
from services.registry import STAGES
from talkmill.serving.settings import ModelSettings, ServerSettings, cache_folder


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


def _default_targets() -> dict[str, str]:
    return {entry.name: f"dns:///localhost:{50052 + number}" for number, entry in enumerate(STAGES)}


class OrchestratorSettings(ServerSettings):
    """`TALKMILL_*` in the environment, `__` between levels: `talkmill serve orchestrator`.

    Attributes:
        database_url: `postgresql+psycopg://USER:PASSWORD@HOST/NAME`, or `sqlite:///FILE`.
        database_pool_size: Connections of the ledger.
        stage_targets: Stage to a gRPC target, such as `{"matting": "dns:///matting:50051"}`, in JSON.
        stage_tls: Certificates for calling the stages.
        concurrency: Executions of a stage at a time, for stages that `stage_concurrency` does not name.
        stage_concurrency: Stage to executions at a time in this replica, in JSON.
        idle_seconds: A stage that says nothing for so long is lost.
        polling_seconds: How often a queue is looked at.
        lease_seconds: How long a replica's lease holds.
        lease_renew_seconds: How often it is renewed.
        reap_seconds: How often the leases of others are looked at.
        execution_retention_hours: After so long what the engine keeps of ended executions is deleted.
        tokens_file: YAML list of {name, sha256, scopes, expires}; needed beyond loopback.
    """

    database_url: SecretStr = Field(
        default_factory=lambda: SecretStr(f"sqlite:///{cache_folder()}/orchestrator.sqlite")
    )
    database_pool_size: int = Field(default=16, ge=2)
    stage_targets: dict[str, str] = Field(default_factory=_default_targets)
    stage_tls: ClientTls = Field(default_factory=ClientTls)
    concurrency: int = Field(default=8, ge=1)
    stage_concurrency: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    idle_seconds: float = Field(default=60, gt=0)
    polling_seconds: float = Field(default=0.25, gt=0)
    lease_seconds: float = Field(default=30, gt=0)
    lease_renew_seconds: float = Field(default=10, gt=0)
    reap_seconds: float = Field(default=15, gt=0)
    execution_retention_hours: float = Field(default=24, gt=0)
    tokens_file: Path | None = None


class ClientSettings(BaseSettings):
    """`TALKMILL_*` in the environment: `talkmill submit` and its kin.

    Attributes:
        server: host:port of the orchestrator.
        token: Bearer token.
        server_ca: PEM of who signed the server's certificate; plain text when not set.
        internal_endpoint: Reach the store as the services do, from beside them.
        plain_text: Send the token in plain text beyond this machine, where the network itself is trusted.
    """

    model_config = SettingsConfigDict(env_prefix="TALKMILL_", env_nested_delimiter="__", extra="ignore")

    server: str = "127.0.0.1:50051"
    token: SecretStr = SecretStr("")
    server_ca: Path | None = None
    internal_endpoint: bool = False
    plain_text: bool = False
