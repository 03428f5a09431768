"""Settings of the orchestrator's server. They never change the numbers; parameters do. Read once, in `__main__`."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from orchestrator.tls import ClientTls
from orchestrator.watches import STREAMS_PER_OWNER
from talkmill.environment import cache_folder
from talkmill.pipeline.graph import names_of
from talkmill.serving.settings import ServerSettings, StoreSettings

_POSTGRES = "postgresql+psycopg"


def _default_targets() -> dict[str, str]:
    return {stage: f"dns:///localhost:{50052 + number}" for number, stage in enumerate(names_of())}


def _check_stages(given: Collection[str]) -> None:
    for stage in given:
        if stage not in names_of():
            nearest = get_close_matches(stage, names_of(), 1)
            meant = f"; is it {nearest[0]}?" if nearest else ""
            raise ValueError(f"{stage!r} is not a stage{meant} The stages are {', '.join(names_of())}")


class OrchestratorSettings(ServerSettings):
    """`TALKMILL_*` in the environment, `__` between levels: `python -m orchestrator`.

    How often work is tried again is no setting: the constants of `orchestrator/worker.py` say it.

    Attributes:
        database_url: `postgresql+psycopg://USER:PASSWORD@HOST/NAME`, or `sqlite:///FILE`; `postgresql://` and
            `postgres://` mean the first.
        database_pool_size: Connections of the ledger.
        stage_targets: Stage to a gRPC target, such as `{"matting": "dns:///matting:50051"}`, in JSON; what it leaves
            out keeps its default.
        stage_tls: Certificates for calling the stages.
        concurrency: Executions of a stage at a time, for stages that `stage_concurrency` does not name.
        stage_concurrency: Stage to executions at a time in this replica, in JSON.
        idle_seconds: A stage that says nothing for so long is lost.
        polling_seconds: How often a queue is looked at.
        lease_seconds: How long a replica's lease holds.
        lease_renew_seconds: How often it is renewed.
        reap_seconds: How often the leases of others are looked at.
        execution_retention_hours: After so long what the engine keeps of ended executions is deleted.
        address_retention_hours: After so long the addresses of sources that were not downloaded are erased, counted
            from the end of their run.
        streams_per_owner: WatchRun streams that the tokens of one name may have open at one replica, of 4,000 in all.
        tokens_file: YAML list of {name, sha256, scopes, expires, quota}; needed beyond loopback.
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
    address_retention_hours: float = Field(default=168, gt=0)
    streams_per_owner: int = Field(default=STREAMS_PER_OWNER, ge=1)
    tokens_file: Path | None = None

    @field_validator("database_url")
    @classmethod
    def _of_a_driver_that_is_there(cls, given: SecretStr) -> SecretStr:
        # What providers and libpq write; the driver is ours.
        url = re.sub(r"^postgres(ql)?://", f"{_POSTGRES}://", given.get_secret_value())
        try:
            parsed = make_url(url)
            driver = parsed.drivername if "@" not in (parsed.host or "") else ""
        except (ArgumentError, ValueError):
            driver = ""
        if driver not in (_POSTGRES, "sqlite"):
            # The address has a password, and is not repeated.
            raise ValueError(
                f"{_POSTGRES}://USER:PASSWORD@HOST/NAME or sqlite:///FILE is wanted; in a password @ : and % are "
                "written %40 %3A %25"
            )
        return SecretStr(url)

    @field_validator("stage_targets")
    @classmethod
    def _targets(cls, given: dict[str, str]) -> dict[str, str]:
        _check_stages(given)
        for stage, target in given.items():
            if not target or target.startswith(("http://", "https://")):
                raise ValueError(f"{stage}: a gRPC target such as dns:///{stage}:50051 is wanted")
        return _default_targets() | given

    @field_validator("stage_concurrency")
    @classmethod
    def _concurrency(cls, given: dict[str, int]) -> dict[str, int]:
        _check_stages(given)
        return given


class StoreRolesSettings(BaseSettings):
    """Settings of `orchestrator.store_roles`.

    Attributes:
        store: The trial MinIO, with its root credential.
        log_level: `debug`, `info`, `warning` or `error`.
    """

    model_config = SettingsConfigDict(env_prefix="TALKMILL_", env_nested_delimiter="__", extra="ignore")

    store: StoreSettings = Field(default_factory=StoreSettings)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
