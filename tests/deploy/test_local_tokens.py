"""`make up` with tokens, as docs/services.md says."""

import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.cluster import Cluster
from talkmill.cli.app import app
from talkmill.client.client import Client, ServerError
from tests.servers import running_cluster


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token of the command, whose line is in a file that the shell names."""
    secret, _, line = CliRunner().invoke(app, ["token", "somebody", "--write"]).stdout.splitlines()
    (tmp_path / "tokens.yaml").write_text(line + "\n")
    monkeypatch.setenv("TALKMILL_TOKENS_FILE", str(tmp_path / "tokens.yaml"))
    return re.sub("^TALKMILL_TOKEN=", "", secret)


def test_processes_have_the_variables_of_the_shell(token: str, tmp_path: Path) -> None:
    def runs(cluster: Cluster, token: str) -> list[object]:
        with Client(cluster.server, token) as client:
            return list(client.runs(1))

    noop = (sys.executable, "-m", "benchmarks.noop_stages")
    with running_cluster(tmp_path / "cluster", database="sqlite", one_for_all=noop) as cluster:
        assert runs(cluster, token) == []
        with pytest.raises(ServerError, match="set TALKMILL_TOKEN"):
            runs(cluster, "")
        with pytest.raises(ServerError, match="the token is not known"):
            runs(cluster, "another")
