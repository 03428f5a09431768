"""Settings of the download stage's server, beside those of every stage."""

import os

from pydantic import Field, IPvAnyNetwork

from services.settings import StageServerSettings
from talkmill.stages.download.limits import WebLimits


class DownloadSettings(StageServerSettings):
    """Settings of the download stage's server.

    Attributes:
        allowed_networks: Networks that may be reached although they are not public, such as `10.1.0.0/16`.
        max_bytes: The largest download.
        max_seconds: The longest download.
        max_memory_bytes: Memory of the process of a download.
    """

    allowed_networks: tuple[IPvAnyNetwork, ...] = ()
    max_bytes: int = Field(default=WebLimits().max_bytes, gt=0)
    max_seconds: float = Field(default=WebLimits().max_seconds, gt=0)
    max_memory_bytes: int = Field(default=WebLimits().max_memory_bytes, ge=256 << 20)


def forget_proxies() -> None:
    """Drop proxy variables from the environment: they would lead requests past the proxy that checks addresses."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
