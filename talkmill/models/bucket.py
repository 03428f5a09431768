"""Models in a bucket, for machines that reach only the object store."""

import dataclasses
import json
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.s3 import S3Store
from talkmill.models.catalogue import find
from talkmill.models.damage import DamagedModelError
from talkmill.models.installed import RECORD_NAME, find_installed, install


class ModelMissingError(RuntimeError):
    """The bucket lacks a model; the message says what to do."""


def push(store: S3Store, bucket: str, folder: Path, model_ids: Iterable[str]) -> list[str]:
    """Copy fetched models into a bucket; what it says of a model is written after the model.

    Args:
        store: Where the bucket is.
        bucket: Its name.
        folder: Of fetched models.
        model_ids: Which ones.

    Returns:
        The models that the bucket did not have.
    """
    pushed = []
    for model_id in model_ids:
        model = find_installed(folder, find(model_id))
        if model is None:
            raise ModelMissingError(f"model {model_id} is not in {folder}")
        record = (folder / model_id / RECORD_NAME).read_text()
        key = f"{model_id}/{model.version.sha256}/{model.path.name}"
        known = _entry(store, bucket, model_id)
        if known is not None and known[0] == record and store.has(known[1]):
            continue
        copy = folder / f".{uuid.uuid4().hex}"
        shutil.copyfile(model.path, copy)
        artifact = store.put(copy, bucket, key, "application/octet-stream")
        entry = {"record": record, "artifact": dataclasses.asdict(artifact)}
        store.write(bucket, _key(model_id), json.dumps(entry).encode())
        pushed.append(model_id)
    return pushed


def offered(store: S3Store, bucket: str, model_ids: Iterable[str]) -> list[str]:
    """Return which models a bucket has, in the version that the catalogue names or another.

    Args:
        store: Where the bucket is.
        bucket: Its name.
        model_ids: Which ones to look for.
    """
    return [model_id for model_id in model_ids if _entry(store, bucket, model_id) is not None]


def pull(store: S3Store, bucket: str, folder: Path, model_ids: Iterable[str]) -> list[str]:
    """Copy models from a bucket into a folder; several processes may do it at once.

    Args:
        store: Where the bucket is.
        bucket: Its name.
        folder: Where models lie.
        model_ids: Which ones.

    Returns:
        The models that the folder did not have.

    Raises:
        ModelMissingError: The bucket has no such model, or another one than the catalogue names.
    """
    pulled = []
    for model_id in model_ids:
        if _is_whole(folder, model_id):
            continue
        entry = _entry(store, bucket, model_id)
        if entry is None:
            raise ModelMissingError(f"bucket {bucket} has no model {model_id}; the model-fetch Job writes it there")
        record, artifact = entry
        part = folder / f".{model_id}-{uuid.uuid4().hex}"
        try:
            part.mkdir(parents=True)
            fetched = store.fetch(artifact, part / "fetched")
            fetched.replace(part / find(model_id).loads)
            shutil.rmtree(part / "fetched")
            (part / RECORD_NAME).write_text(record)
            install(part, folder / model_id)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        if find_installed(folder, find(model_id)) is None:
            raise ModelMissingError(f"model {model_id} in bucket {bucket} is not what this version's catalogue names")
        pulled.append(model_id)
    return pulled


def _is_whole(folder: Path, model_id: str) -> bool:
    """Say whether a folder has a model; a damaged one is copied again."""
    try:
        return find_installed(folder, find(model_id)) is not None
    except DamagedModelError:
        return False


def _entry(store: S3Store, bucket: str, model_id: str) -> tuple[str, Artifact] | None:
    content = store.read(bucket, _key(model_id))
    if content is None:
        return None
    entry = json.loads(content)
    return entry["record"], Artifact(**entry["artifact"])


def _key(model_id: str) -> str:
    return f"{model_id}/model.json"
