"""Settings that every server has. They never change the numbers; parameters do. Read once, in `__main__`."""

import re
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from talkmill.environment import is_loopback, settings_errors

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


# As S3 takes them.
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]


class StoreSettings(BaseModel):
    """The object store.

    Attributes:
        endpoint: host:port that the services reach.
        public_endpoint: host:port that clients reach; `endpoint` when empty. Presigned addresses are signed for it.
        access_key: Name of the credentials.
        secret_key: Their secret.
        secure: Whether the endpoint speaks TLS.
        public_secure: Whether the public endpoint speaks TLS; as `secure` when not set.
        ca_certificate: PEM file of who signed the endpoint's certificate; the system's list when not set.
        region: Region that requests are signed for.
        work_bucket: Bucket of uploads and intermediates, which expire.
        dataset_bucket: Bucket of data sets, which stay.
        model_bucket: Bucket of models, for stages that are given theirs from there.
        retention_days: Days after which uploads and intermediates expire; 0 keeps them.
        retry_seconds: How long a store that does not answer is tried again.
    """

    endpoint: Annotated[str, Field(min_length=1)] = "127.0.0.1:9000"
    public_endpoint: str = ""
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    secure: bool = False
    public_secure: bool | None = None
    ca_certificate: Path | None = None
    region: Annotated[str, Field(min_length=1)] = "us-east-1"
    work_bucket: Bucket = "talkmill-work"
    dataset_bucket: Bucket = "talkmill-datasets"
    model_bucket: Bucket = "talkmill-models"
    retention_days: int = Field(default=30, ge=0)
    retry_seconds: float = Field(default=60, ge=0)

    @field_validator("endpoint", "public_endpoint")
    @classmethod
    def _host_and_port(cls, endpoint: str) -> str:
        if re.search(r"[/@?#\s]", endpoint):
            raise ValueError(
                "host:port is wanted, without http:// or https:// and without a path; TALKMILL_STORE__SECURE=true, or "
                "TALKMILL_STORE__PUBLIC_SECURE=true, is https"
            )
        return endpoint

    @model_validator(mode="after")
    def _buckets_of_their_own(self) -> "StoreSettings":
        if len({self.work_bucket, self.dataset_bucket, self.model_bucket}) < 3:
            raise ValueError(
                "the buckets of work, of data sets and of models must differ: what lies in that of work expires"
            )
        return self


class TlsSettings(BaseModel):
    """Certificates of a server.

    Attributes:
        certificate: PEM chain of the server; plain text when not set.
        key: Its PEM key.
        client_ca: PEM of who signs clients' certificates: clients without one are refused (mTLS).
    """

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> "TlsSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together")
        if self.client_ca and not self.certificate:
            raise ValueError("client_ca needs certificate and key")
        return self


class ListenSettings(BaseModel):
    """Where a server listens.

    Attributes:
        address: Loopback unless told.
        port: Of gRPC; 0 takes a free one.
        metrics_port: Of Prometheus, on the same address; 0 takes a free one.
        health_port: Of health alone in plain text, for probes that speak no TLS; none when not set.
        plain_text: Allow plain text beyond loopback, where the network itself is trusted.
        max_connection_age_seconds: Connections are renewed after this time, so that new replicas are found.
    """

    address: str = "127.0.0.1"
    port: int = Field(default=50051, ge=0, le=65535)
    metrics_port: int = Field(default=9090, ge=0, le=65535)
    health_port: int | None = Field(default=None, ge=0, le=65535)
    plain_text: bool = False
    max_connection_age_seconds: float = Field(default=300, gt=0)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.address)


class ServerSettings(BaseSettings):
    """`TALKMILL_*` in the environment, `__` between levels.

    Attributes:
        listen: Where the server listens.
        tls: Its certificates.
        store: The object store.
        drain_grace_seconds: After SIGTERM, work in flight may go on for so long.
        log_level: `debug`, `info`, `warning` or `error`.
    """

    model_config = SettingsConfigDict(env_prefix="TALKMILL_", env_nested_delimiter="__", extra="ignore")

    listen: ListenSettings = Field(default_factory=ListenSettings)
    tls: TlsSettings = Field(default_factory=TlsSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    drain_grace_seconds: float = Field(default=600, ge=0)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _protected(self) -> "ServerSettings":
        if not (self.listen.loopback or self.tls.certificate or self.listen.plain_text):
            raise ValueError(
                f"listening on {self.listen.address} needs TALKMILL_TLS__CERTIFICATE and TALKMILL_TLS__KEY, or "
                "TALKMILL_LISTEN__PLAIN_TEXT=true where the network itself is trusted"
            )
        return self


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Read the environment; a value that is wrong ends the process with its name and what is wanted."""
    try:
        return kind()
    except (ValidationError, SettingsError) as error:
        sys.exit("\n".join(settings_errors(error)))
