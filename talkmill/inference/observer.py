"""The observer that is told which networks are loaded and how long they take."""

from typing import Protocol


class Observer(Protocol):
    """Is told of networks."""

    def loaded(self, model_id: str, execution_provider: str) -> None:
        """Hear of a network that is ready to run."""
        ...

    def ran(self, model_id: str, execution_provider: str, seconds: float) -> None:
        """Hear of one run."""
        ...


_observers: list[Observer] = []


def observe(observer: Observer) -> None:
    """Tell an observer of every network from now on; the one before hears no more."""
    _observers[:] = [observer]


def loaded(model_id: str, execution_provider: str) -> None:
    """Tell the observer of a network that is ready to run."""
    for observer in _observers:
        observer.loaded(model_id, execution_provider)


def ran(model_id: str, execution_provider: str, seconds: float) -> None:
    """Tell the observer of one run."""
    for observer in _observers:
        observer.ran(model_id, execution_provider, seconds)
