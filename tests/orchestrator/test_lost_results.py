"""A stored result that is lost or damaged: its clip ends with a reason, the others go on, a retry makes it again."""

from pathlib import Path

from deploy.local.cluster import Cluster
from orchestrator.ledger.tables import stage_run
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.artifacts.artifact import Artifact
from talkmill.client.client import Client
from talkmill.serving.settings import StoreSettings
from talkmill.stages.landmarks.messages import LandmarksOutputs
from tests.orchestrator.conftest import check_whole, fast_sources, rows, store_of, submit, wait_for_end


def landmarks_of(cluster: Cluster, run: str, clip: str) -> Artifact:
    from pydantic import TypeAdapter

    (row,) = [row for row in rows(cluster, stage_run, run) if (row["subject"], row["stage"]) == (clip, "landmarks")]
    return TypeAdapter(LandmarksOutputs).validate_json(row["outputs"]).landmarks


def test_pack_leaves_a_damaged_clip_out_and_a_retry_makes_it_again(
    cluster: Cluster, client: Client, tmp_path: Path
) -> None:
    name = submit(client, fast_sources(tmp_path, ["ok_none"] * 3))
    assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    sick, well = "fast_ok_none_000_000", "fast_ok_none_001_000"
    artifact, store = landmarks_of(cluster, name, sick), store_of(cluster)
    store.write(artifact.bucket, artifact.key, b"other bytes")
    # The record of the set is gone too: pack reads everything again, and meets what is damaged.
    datasets = StoreSettings().dataset_bucket
    for key in [key for key in store.list_keys(datasets, f"{name}/pack/") if key.endswith("manifest.json")]:
        store.remove_key(datasets, key)
    client.retry(name, [well], "fine_fit")
    run = wait_for_end(client, name)
    assert (run.state, run.succeeded_clip_count, run.failed_clip_count) == (pb.STATE_SUCCEEDED, 2, 1)
    (dead,) = client.clips(name, pb.STATE_FAILED)
    assert (dead.name.rpartition("/")[2], dead.stage, dead.reason) == (sick, "landmarks", "CORRUPT_INPUT")
    client.retry(name, [], "")
    assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    check_whole(cluster, client, name, 3, tmp_path / "out")


def test_a_stage_that_cannot_read_ends_its_clip_and_a_retry_begins_where_it_was_made(
    cluster: Cluster, client: Client, tmp_path: Path
) -> None:
    name = submit(client, fast_sources(tmp_path, ["ok_none"] * 2))
    assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    sick = "fast_ok_none_000_000"
    artifact, store = landmarks_of(cluster, name, sick), store_of(cluster)
    store.remove_key(artifact.bucket, artifact.key)
    client.retry(name, [sick], "coarse_fit")
    run = wait_for_end(client, name)
    assert (run.state, run.succeeded_clip_count, run.failed_clip_count) == (pb.STATE_SUCCEEDED, 1, 1)
    (dead,) = client.clips(name, pb.STATE_FAILED)
    assert (dead.stage, dead.reason) == ("landmarks", "INPUT_MISSING")
    client.retry(name, [], "")
    assert wait_for_end(client, name).state == pb.STATE_SUCCEEDED
    check_whole(cluster, client, name, 2, tmp_path / "out")
