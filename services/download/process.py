"""The process that serves the download stage: its settings, and how its stage is built."""

from services.download.settings import DownloadSettings, forget_proxies
from services.process import Built, one_stage
from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.network import AddressPolicy
from talkmill.stages.download.stage import DownloadStage
from talkmill.stages.download.web import GuardedWeb

SETTINGS = DownloadSettings


def build(settings: DownloadSettings) -> Built:
    """Return the stage of a request, and the stages to load before the server is ready."""
    forget_proxies()
    limits = WebLimits(settings.max_bytes, settings.max_seconds, settings.max_memory_bytes)
    web = GuardedWeb(AddressPolicy(settings.allowed_networks), limits)
    return one_stage(DownloadStage(web, files=False))
