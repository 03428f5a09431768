"""Settings of a client of the orchestrator."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
