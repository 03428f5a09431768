"""What a machine cannot run. Apart from the interface, so that the orchestrator knows them without NumPy."""


class PrecisionUnavailableError(ValueError):
    """The provider, or this machine, does not run networks in that precision."""


class ProviderUnavailableError(ValueError):
    """The wanted execution provider is unknown or not installed; the message says which ones there are."""
