"""The error for a model whose bytes have changed since it was installed."""


class DamagedModelError(ValueError):
    """A model's file is not what was installed."""
