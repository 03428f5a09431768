"""`make up` and `make down`: python -m deploy.local up|down|status."""

import os
import subprocess
import sys
from pathlib import Path

from deploy.local import spot
from deploy.local.cluster import FIRST_PORT, Cluster, ClusterError
from deploy.local.sizing import measure
from deploy.local.tools import ToolError

SERVE_EXPLANATION = """ready. In another place, or here:
  {talkmill} submit VIDEO... --watch
  {talkmill} fetch runs/ID --out DIR
logs: {logs}
`make down` stops everything; data stays in {folder}"""


def main(words: list[str]) -> int:
    """Bring the cluster up or down; returns the exit code."""
    folder = Path(os.environ.get("FOLDER") or ".talkmill").resolve()
    database = "sqlite" if os.environ.get("DATABASE") == "sqlite" else "postgres"
    cluster = Cluster(folder, database, int(os.environ.get("FIRST_PORT") or FIRST_PORT))  # type: ignore[arg-type]
    try:
        if words == ["up"]:
            cluster.up()
            talkmill = Path(sys.executable).parent / "talkmill"
            server = "" if cluster.first_port == FIRST_PORT else f" (TALKMILL_SERVER={cluster.server})"
            print(SERVE_EXPLANATION.format(talkmill=talkmill, logs=folder / "logs", folder=folder) + server)
        elif words == ["down"]:
            cluster.down()
        elif words[:1] == ["bench"]:
            return bench(folder, words[1:])
        elif words[:1] == ["sizing"] and words[1:]:
            return measure(folder, words[1:])
        elif words[:1] == ["spot"]:
            return spot.main(folder, words[1:])
        elif words == ["status"]:
            print(cluster.control("status") if cluster.running() else "down")
        else:
            print(
                "usage: python -m deploy.local up|down|status|bench [OPTION]...|sizing VIDEO...|spot VIDEO",
                file=sys.stderr,
            )
            return 2
    except (ClusterError, ToolError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def bench(folder: Path, words: list[str]) -> int:
    """Bring a cluster of no-op stages up on free ports, measure its orchestrator, and bring it down."""
    cluster = Cluster(
        folder / "bench",
        first_port=0,
        one_for_all=(sys.executable, "-m", "benchmarks.noop_stages"),
        environment={"TALKMILL_LOG_LEVEL": "warning", "TALKMILL_CONCURRENCY": "16"},
    )
    cluster.up()
    try:
        command = [sys.executable, "-m", "benchmarks", "orchestrator", "--server", cluster.server]
        command += ["--database-url", cluster.database_url()]
        command += ["--metrics-port", str(cluster.ports["orchestrator-metrics"]), *words]
        return subprocess.run(command, check=False).returncode
    finally:
        cluster.down()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
