"""What a client refuses before anything is sent."""

from pathlib import Path

import pytest

from talkmill.client.client import Client, ServerError


@pytest.mark.parametrize("server", ["10.0.0.1:1", "127.evil.example:1", "localhost.example:1", "orchestrator:50051"])
def test_a_token_stays_on_this_machine(server: str) -> None:
    with pytest.raises(ServerError, match="not sent in plain text"):
        Client(server, token="secret")
    Client(server, token="secret", plain_text=True)


@pytest.mark.parametrize("server", ["127.0.0.1:1", "127.0.1.1:1", "localhost:1", "[::1]:1"])
def test_on_this_machine_a_token_may_be_sent(server: str) -> None:
    Client(server, token="secret")


def test_what_cannot_be_a_server_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="address of the server is empty"):
        Client("")
    with pytest.raises(ServerError, match=rf"TALKMILL_SERVER_CA: {tmp_path} cannot be read"):
        Client("localhost:1", ca=str(tmp_path))
