"""Who wants to know how long networks take: one observer a process."""

from collections.abc import Callable

# Model id, execution provider, seconds.
Observer = Callable[[str, str, float], None]

_observers: list[Observer] = []


def observe_runs(observer: Observer) -> None:
    """Tell an observer of every run of a network from now on."""
    _observers[:] = [observer]


def ran(model_id: str, execution_provider: str, seconds: float) -> None:
    """Tell the observer of a run."""
    for observer in _observers:
        observer(model_id, execution_provider, seconds)
