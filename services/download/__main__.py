"""Serve the download stage: `python -m services.download`, configured by the environment."""

from talkmill.serving.settings import quiet_libraries

quiet_libraries()

import sys
from typing import Any

from services.download.network import AddressPolicy
from services.download.service import METHOD
from services.download.settings import DownloadSettings, forget_proxies
from services.download.stage import DownloadStage
from services.download.web import GuardedWeb, WebLimits
from talkmill.serving.stage_server import StageFor, read_settings, serve_stage
from talkmill.stage.contract import Stage


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = read_settings(DownloadSettings)
    forget_proxies()
    return serve_stage(METHOD, settings, lambda: build(settings))


def build(settings: DownloadSettings) -> tuple[StageFor, list[Stage[Any, Any]]]:
    """Return the stage of a request, and the stages to load before the server is ready."""
    web = GuardedWeb(AddressPolicy(settings.allowed_networks), WebLimits(settings.max_bytes, settings.max_seconds))
    stage = DownloadStage(web, files=False)
    return (lambda inputs: stage), [stage]


if __name__ == "__main__":
    sys.exit(main())
