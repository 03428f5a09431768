"""Whatever dies in the middle of a run, every clip ends once, without a hand."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from deploy.local.cluster import Cluster
from orchestrator.ledger.tables import clip, stage_run
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.artifacts.artifact import sha256_of
from talkmill.artifacts.s3 import presign_put
from talkmill.client.client import Client, ServerError
from talkmill.client.sources import GivenSource
from talkmill.pipeline.graph import names_of
from talkmill.serving.settings import StoreSettings
from tests.fixture_types import Sample
from tests.orchestrator.conftest import (
    QUICK,
    check_whole,
    fast_sources,
    rows,
    stop_hard,
    store_of,
    submit,
    wait_for_end,
)

OUTAGE_SECONDS = 10


def kill_orchestrator(cluster: Cluster) -> None:
    os.kill(cluster.pid("orchestrator"), signal.SIGKILL)


def kill_stage(cluster: Cluster) -> None:
    os.kill(cluster.pid("crop"), signal.SIGKILL)


def kill_minio(cluster: Cluster) -> None:
    stop_hard(cluster, "minio")
    time.sleep(OUTAGE_SECONDS)
    cluster.control("start", "minio")


def kill_postgres(cluster: Cluster) -> None:
    stop_hard(cluster, "postgres")
    time.sleep(OUTAGE_SECONDS)
    cluster.control("start", "postgres")


@pytest.mark.parametrize("kill", [kill_orchestrator, kill_stage, kill_minio, kill_postgres])
def test_a_kill_in_the_middle_of_60_clips(
    kill: Callable[[Cluster], None],
    cluster: Cluster,
    client: Client,
    sample: Sample,
    until_running: Callable[[str, str, int], None],
    tmp_path: Path,
) -> None:
    # Five real clips of the sample's bytes, each made another file by a box that holds nothing.
    real = []
    for number in range(5):
        path = tmp_path / f"real_{kill.__name__}_{number}.mp4"
        path.write_bytes(sample[0].read_bytes() + b"\0\0\0\x10free" + path.name[-8:].encode())
        real.append(path)
    name = submit(client, [*real, *fast_sources(tmp_path, ["ok_none"] * 55)])
    until_running(name, "crop", 15)
    kill(cluster)
    run = wait_for_end(client, name)
    assert run.state == pb.STATE_SUCCEEDED, run
    check_whole(cluster, client, name, 60, tmp_path / "out")


def test_flaky_stages_and_poison_clips(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    tags = ["flaky_none"] * 17 + ["poison_matting", "poison_finefit", "poison_download"]
    name = submit(client, fast_sources(tmp_path, tags))
    run = wait_for_end(client, name)
    assert run.state == pb.STATE_SUCCEEDED
    assert (run.succeeded_clip_count, run.failed_clip_count, run.failed_source_count) == (17, 2, 1)
    dead = {one.stage: one for one in client.clips(name, pb.STATE_FAILED)}
    assert set(dead) == {"matting", "fine_fit", "download"}
    assert {one.reason for one in dead.values()} == {"MATTE_LOST"}
    assert dead["matting"].measure == 1.0
    assert dead["matting"].threshold == 0.1
    assert "poisoned by the test" in dead["matting"].message
    client.fetch(name, tmp_path / "out", lambda path: None)
    assert len((tmp_path / "out/lmdb/train_list.txt").read_text().splitlines()) == 17
    assert len((tmp_path / "out/rejected.jsonl").read_text().splitlines()) == 3


def test_a_clip_that_kills_its_worker_is_put_aside(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    name = submit(client, fast_sources(tmp_path, ["ok_none"] * 5 + ["killer_landmarks"]))
    run = wait_for_end(client, name)
    assert run.state == pb.STATE_SUCCEEDED
    assert (run.succeeded_clip_count, run.failed_clip_count) == (5, 1)
    (dead,) = client.clips(name, pb.STATE_FAILED)
    assert (dead.stage, dead.reason) == ("landmarks", "WORKER_LOST")
    assert "4 times" in dead.message


def test_an_upload_that_is_not_what_was_announced_can_be_put_again(
    cluster: Cluster, client: Client, tmp_path: Path
) -> None:
    (path,) = fast_sources(tmp_path, ["ok_none"])
    announced, content = sha256_of(path), path.read_bytes()
    path.write_bytes(content[::-1])
    with pytest.raises(
        ServerError, match=r"did not get .* as it was announced: does it change while it is uploaded\?$"
    ):
        client.upload(path, path.name, announced, len(content))
    # What the address does not allow, a disk may do to what lies there.
    path.write_bytes(content)
    upload = client.upload(path, path.name, announced, len(content))
    spoiled = content[::-1]
    place = (upload.bucket, upload.key, 60, hashlib.sha256(spoiled).hexdigest(), len(spoiled))
    uri, headers = presign_put(store_of(cluster)._client, *place)
    assert urllib3.request("PUT", uri, body=spoiled, headers=headers).status == 200
    name = client.create([GivenSource(path.name, upload)], QUICK, 0).name
    assert wait_for_end(client, name).state == pb.STATE_FAILED
    (dead,) = client.clips(name, pb.STATE_FAILED)
    assert dead.reason == "CORRUPT_INPUT"
    assert wait_for_end(client, submit(client, [path])).state == pb.STATE_SUCCEEDED


def test_a_rolling_restart_fails_no_clip(
    cluster: Cluster, client: Client, until_running: Callable[[str, str, int], None], tmp_path: Path
) -> None:
    name = submit(client, fast_sources(tmp_path, ["ok_none"] * 20))
    until_running(name, "matting", 4)
    for stage in ("matting", "crop", "fine_fit", "orchestrator"):
        cluster.control("restart", stage)
    run = wait_for_end(client, name)
    assert run.state == pb.STATE_SUCCEEDED
    check_whole(cluster, client, name, 20, tmp_path / "out")
    # Drained work is not lost work.
    assert sum(row["losses"] for row in rows(cluster, stage_run, name)) == 0


def test_a_cancelled_run_stops_and_can_be_taken_up(
    cluster: Cluster, client: Client, until_running: Callable[[str, str, int], None], tmp_path: Path
) -> None:
    name = submit(client, fast_sources(tmp_path, ["ok_none"] * 20))
    until_running(name, "split", 3)
    assert client.cancel(name).state == pb.STATE_CANCELLED
    assert client.cancel(name).state == pb.STATE_CANCELLED
    done = len([row for row in rows(cluster, stage_run, name) if row["state"] == "SUCCEEDED"])
    time.sleep(5)
    assert len([row for row in rows(cluster, stage_run, name) if row["state"] == "SUCCEEDED"]) == done
    assert not {row["state"] for row in rows(cluster, stage_run, name)} & {"PENDING", "RUNNING"}
    assert client.retry(name, [], "").retried_count > 0
    assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    check_whole(cluster, client, name, 20, tmp_path / "out")


def test_chosen_clips_run_again_from_a_chosen_stage(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    name = submit(client, fast_sources(tmp_path, ["ok_none", "ok_none", "poison_crop"]))
    wait_for_end(client, name)
    before = {(row["subject"], row["stage"]): row for row in rows(cluster, stage_run, name)}
    chosen = "fast_ok_none_001_000"
    assert client.retry(name, [chosen], "landmarks").retried_count == 1
    assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    after = {(row["subject"], row["stage"]): row for row in rows(cluster, stage_run, name)}
    again = {key for key in after if key[0] and after[key]["ended_at"] != before[key]["ended_at"]}
    stages = names_of("clip")
    assert again == {(chosen, stage) for stage in stages[stages.index("landmarks") :]}
    # The dead letter stays one; what failed runs again when nothing is named, and is poison still.
    assert client.retry(name, [], "").retried_count == 1
    assert wait_for_end(client, name).failed_clip_count == 1
    # From its source on, clips are found anew.
    assert client.retry(name, [chosen], "split").retried_count == 1
    assert wait_for_end(client, name).succeeded_clip_count == 2
    assert len(rows(cluster, clip, name)) == 3
    # Of all these ends only the last one's files are kept.
    keys = list(store_of(cluster).list_keys(StoreSettings().dataset_bucket, f"{name}/"))
    assert len([key for key in keys if key.endswith("data.mdb")]) == 1
    assert len([key for key in keys if key.endswith(".jpg")]) == 2
