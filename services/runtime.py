"""The execution provider of a served stage. A module of its own, because not every stage has networks."""

from services.settings import StageServerSettings
from talkmill.inference.runtime import Runtime, choose_runtime


def runtime_of(settings: StageServerSettings) -> Runtime:
    """Return where the networks of a service run.

    Raises:
        ProviderUnavailableError: The wanted execution provider is not installed.
    """
    engines = settings.scratch.parent / "engines"
    return choose_runtime(settings.execution_provider, settings.threads_of_network, settings.gpu, engines)
