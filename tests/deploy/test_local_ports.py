"""Ports of a cluster on this machine."""

from collections.abc import Callable

import pytest

from deploy.local import cluster


def test_no_port_is_given_twice(free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port()
    drawn = iter([first, first, free_port() + 1, *range(cluster.FREE_PORTS, cluster.EPHEMERAL_PORTS)])
    monkeypatch.setattr(cluster.secrets, "randbelow", lambda count: next(drawn) - cluster.FREE_PORTS)
    assert free_port() != first
