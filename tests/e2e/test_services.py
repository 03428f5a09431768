"""Real videos through the command line, the orchestrator, MinIO, Postgres and the stages' services."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.local.cluster import ROOT, Cluster
from tests.fixture_types import Cli, Contents
from tests.orchestrator.conftest import reachable
from tests.servers import running_cluster

CLIPS = ("liveportrait_d19.mp4", "otavatar_example.mp4", "real3d_May_5s.mp4")
OPTIONS = ("--range", "0-1.6", "--size", "256", "--person", "Somebody", "--split", "by-person")


class Forwarder:
    """Another address of the store: what clients reach is not what the services reach."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.target = 0
        self.count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.count += 1
            far = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with source, sink:
            try:
                while chunk := source.recv(1 << 16):
                    sink.sendall(chunk)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def forwarder() -> Iterator[Forwarder]:
    with closing(Forwarder()) as forwarder:
        yield forwarder


@pytest.fixture(scope="module")
def real(forwarder: Forwarder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = {"TALKMILL_STORE__PUBLIC_ENDPOINT": f"localhost:{forwarder.port}"}
    with running_cluster(reachable(tmp_path_factory.mktemp("real")), environment=environment) as cluster:
        forwarder.target = cluster.ports["minio"]
        yield cluster


@pytest.fixture(scope="module")
def videos(assets: Path) -> list[Path]:
    return [assets / "videos" / name for name in CLIPS]


@pytest.fixture(scope="module")
def embedded(talkmill: Cli, videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded") / "out"
    result = talkmill("run", *videos, "--out", folder, *OPTIONS)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def served(talkmill: Cli, real: Cluster, videos: list[Path]) -> str:
    result = talkmill("submit", *videos, "--watch", *OPTIONS, TALKMILL_SERVER=real.server)
    assert result.returncode == 0, result.stderr
    (name,) = re.findall(r"^runs/[0-9a-f]+$", result.stdout, re.MULTILINE)
    return name


def test_the_set_equals_that_of_the_embedded_run(
    talkmill: Cli, real: Cluster, served: str, embedded: Path, contents: Contents, forwarder: Forwarder, tmp_path: Path
) -> None:
    result = talkmill("fetch", served, "--out", tmp_path, "--server", real.server)
    assert result.returncode == 0, result.stderr
    mine, theirs = contents(tmp_path / "lmdb/256"), contents(embedded / "lmdb/256")
    assert mine.keys() == theirs.keys()
    # Nothing is excepted: no time and no worker stands in `-meta` or `manifest`.
    assert [key for key in mine if mine[key] != theirs[key]] == []
    for name in ("lmdb/train_list.txt", "lmdb/test_list.txt", "rejected.jsonl"):
        assert (tmp_path / name).read_bytes() == (embedded / name).read_bytes()
    for folder in ("audio", "preview"):
        names = sorted(path.name for path in (embedded / folder).iterdir())
        assert names == sorted(path.name for path in (tmp_path / folder).iterdir())
        assert all((embedded / folder / n).read_bytes() == (tmp_path / folder / n).read_bytes() for n in names)
    reports = [json.loads((folder / "report.json").read_text()) for folder in (embedded, tmp_path)]
    assert [clip["clip"] for clip in reports[0]["clips"]] == [clip["clip"] for clip in reports[1]["clips"]]
    assert [clip["measurements"] for clip in reports[0]["clips"]] == [
        clip["measurements"] for clip in reports[1]["clips"]
    ]
    # The bytes went through the public endpoint alone.
    assert forwarder.count > 0
    assert talkmill("dataset", "verify", tmp_path).returncode == 0


@pytest.mark.parametrize("layouts", ["latentsync", "latentsync,gagavatar"])
def test_a_set_for_some_layouts_equals_that_of_the_embedded_run(
    talkmill: Cli, real: Cluster, videos: list[Path], contents: Contents, tmp_path: Path, layouts: str
) -> None:
    """Only their stages are run, and what is fetched is exported to the same bytes."""
    words = (videos[1], "--for", layouts, "--range", "0-2.4", "--size", "256", "--person", "Somebody")
    embedded, fetched = tmp_path / "embedded", tmp_path / "fetched"
    assert talkmill("run", *words, "--out", embedded).returncode == 0
    submitted = talkmill("submit", *words, "--watch", TALKMILL_SERVER=real.server)
    assert submitted.returncode == 0, submitted.stderr
    (name,) = re.findall(r"^runs/[0-9a-f]+$", submitted.stdout, re.MULTILINE)
    status = talkmill("status", name, "--clips", "--server", real.server).stdout
    assert "otavatar_example_000 succeeded in landmarks" in status
    assert ("matting" in status) == ("gagavatar" in layouts)
    assert not [stage for stage in ("coarse_fit", "fine_fit") if stage in status]
    assert talkmill("fetch", name, "--out", fetched, "--server", real.server).returncode == 0
    assert contents(fetched / "lmdb/256") == contents(embedded / "lmdb/256")
    for folder in ("audio", "work"):
        held = [path for path in (fetched / folder).rglob("*") if path.is_file()]
        assert held
        assert all(path.read_bytes() == (embedded / path.relative_to(fetched)).read_bytes() for path in held)
    assert not (fetched / "preview").exists()
    for layout in layouts.split(","):
        outs = [folder / "layouts" / layout for folder in (embedded, fetched)]
        for folder, out in zip((embedded, fetched), outs, strict=True):
            root = ("--root", "/train") if layout == "latentsync" else ()
            exported = talkmill("export", folder, "--layout", layout, "--out", out, *root)
            assert exported.returncode == 0, exported.stderr
        records = [json.loads((out / "export.json").read_text())["files"] for out in outs]
        assert records[0] == records[1]
        assert records[0]


def test_the_clients_tell_of_runs(talkmill: Cli, real: Cluster, served: str) -> None:
    listed = talkmill("list", "--server", real.server)
    assert f"{served} succeeded: 3 sources, 3 of 3 clips done" in listed.stdout
    status = talkmill("status", served, "--clips", "--server", real.server)
    assert "liveportrait_d19_000 succeeded in fine_fit" in status.stdout
    assert talkmill("watch", served, "--server", real.server).returncode == 0
    for words, told in (
        (("status", "runs/000000"), "RUN_NOT_FOUND"),
        (("status", "nonsense"), "INVALID_REQUEST"),
        (("retry", served), "CLIP_NOT_FOUND"),
        (("retry", served, "nobody"), "CLIP_NOT_FOUND"),
        (("submit", "/not/there.mp4"), "neither a file"),
    ):
        result = talkmill(*words, "--server", real.server)
        assert result.returncode == 1
        assert told in result.stderr
        assert "Traceback" not in result.stderr


def test_a_server_that_is_not_there_is_said_so(talkmill: Cli, free_port: Callable[[], int]) -> None:
    result = talkmill("list", "--server", f"127.0.0.1:{free_port()}")
    assert result.returncode == 1
    assert "is it up, and is --server right" in result.stderr


def test_files_of_the_server_and_private_addresses_are_refused(talkmill: Cli, real: Cluster) -> None:
    """The orchestrator's own host must not be read through a run."""
    address = f"http://127.0.0.1:{real.ports['minio']}/minio/health/live"
    result = talkmill("submit", address, "--watch", "--server", real.server)
    assert result.returncode == 1
    (name,) = re.findall(r"^runs/[0-9a-f]+$", result.stdout, re.MULTILINE)
    status = talkmill("status", name, "--server", real.server).stdout
    assert "DOWNLOAD_REFUSED" in status
    assert "not a public address" in status


def test_the_plain_client_of_the_examples(real: Cluster, videos: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/submit.py"), str(videos[0]), str(tmp_path), real.server]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert "STATE_SUCCEEDED 1 clips done" in result.stdout
    assert (tmp_path / "lmdb/256/data.mdb").is_file()


def test_grpcurl_needs_no_protos(real: Cluster) -> None:
    grpcurl = shutil.which("grpcurl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert grpcurl, "grpcurl is not installed: make .venv/.test"
    service = "talkmill.api.pipeline.v1.PipelineService"
    line = [
        grpcurl,
        "-plaintext",
        "-d",
        '{"sources": [{"uri": "http://127.0.0.1/a.mp4"}]}',
        real.server,
        f"{service}/CreateRun",
    ]
    answer = json.loads(subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout)
    line = [
        grpcurl,
        "-plaintext",
        "-d",
        json.dumps({"name": answer["run"]["name"]}),
        real.server,
        f"{service}/WatchRun",
    ]
    watched = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "STATE_FAILED" in watched
