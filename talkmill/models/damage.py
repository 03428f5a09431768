"""A model whose bytes are not those that were installed. Apart, so that whoever answers it needs no catalogue."""


class DamagedModelError(ValueError):
    """A model's file is not what was installed."""
