"""The only way a stage is executed, in one process and behind gRPC alike.

Look the manifest up by action digest, fetch and verify inputs, run, publish outputs, write the manifest last.
"""

import dataclasses
import errno
import os
import shutil
import socket
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from pydantic import TypeAdapter

from talkmill.address import all_without_secrets
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    Rejection,
    StageRecord,
    decode_manifest,
    encode_manifest,
)
from talkmill.artifacts.store import LostArtifactError, MissingArtifactError, Store, StoreUnavailableError
from talkmill.environment import return_memory
from talkmill.inference.errors import PrecisionUnavailableError, ProviderUnavailableError
from talkmill.models.damage import DamagedModelError
from talkmill.stages.contract import Stage, StageContext
from talkmill.stages.digest import action_digest, to_json
from talkmill.stages.errors import (
    CancelledError,
    CorruptInputError,
    InputMissingError,
    InternalError,
    ModelUnavailableError,
    NotWritableError,
    RejectionError,
    StageError,
    StorageFullError,
    StoreDownError,
    from_rejection,
)
from talkmill.telemetry import traces

OutputsT = TypeVar("OutputsT")

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Execution(Generic[OutputsT]):
    """A finished execution.

    Attributes:
        outputs: What the stage returned.
        manifest: Its record.
        cached: Whether an earlier execution was found.
    """

    outputs: OutputsT
    manifest: Manifest
    cached: bool

    @property
    def record(self) -> StageRecord:
        """How it was made."""
        manifest = self.manifest
        return StageRecord(
            cached=self.cached,
            stage_version=manifest.stage_version,
            action_digest=manifest.action_digest,
            started_at=manifest.started_at,
            fetch_seconds=manifest.fetch_seconds,
            execute_seconds=manifest.execute_seconds,
            upload_seconds=manifest.upload_seconds,
            execution_provider=manifest.execution_provider,
            worker=manifest.worker,
            models={model.id: model.sha256 for model in manifest.models},
        )


def _ignore_progress(done: int, total: int, unit: str) -> None:
    """Drop a progress report."""


def _ignore_video(frames: int, seconds: float) -> None:
    """Drop a count of frames."""


def _never() -> bool:
    return False


def execute(
    stage: Stage[Any, OutputsT],
    inputs: object,
    store: Store,
    bucket: str,
    scratch_root: Path,
    report: Callable[[int, int, str], None] = _ignore_progress,
    cancelled: Callable[[], bool] = _never,
    key_prefix: str = "",
    skip_cache_lookup: bool = False,
    count_video: Callable[[int, float], None] = _ignore_video,
) -> Execution[OutputsT]:
    """Execute a stage, or find that it was executed before.

    Args:
        stage: The stage.
        inputs: Its request, a frozen dataclass.
        store: Where inputs come from and outputs go.
        bucket: Bucket of the outputs; the keys begin with `<key prefix><stage>/<action digest>/`.
        scratch_root: Folder for the temporary files.
        report: Called with done, total and unit.
        cancelled: Whether the work should stop.
        key_prefix: What the keys of the outputs begin with; empty or ending in `/`.
        count_video: Called with frames that are done and the seconds of video that they are.
        skip_cache_lookup: Run even where an earlier execution, or its rejection, is kept.

    Returns:
        Outputs and record.

    Raises:
        StageError: The work ended without outputs.
    """
    try:
        return _execute(
            stage, inputs, store, bucket, scratch_root, report, cancelled, key_prefix, skip_cache_lookup, count_video
        )
    except StageError:
        raise
    except Exception as failure:
        raise as_stage_error(failure, stage.name) from failure


def _execute(
    stage: Stage[Any, OutputsT],
    inputs: object,
    store: Store,
    bucket: str,
    scratch_root: Path,
    report: Callable[[int, int, str], None],
    cancelled: Callable[[], bool],
    key_prefix: str,
    skip_cache_lookup: bool,
    count_video: Callable[[int, float], None],
) -> Execution[OutputsT]:
    digest = action_digest(stage.name, stage.version, stage.models, inputs, stage.arithmetic)
    prefix = f"{key_prefix}{stage.name}/{digest}"
    looks = stage.keeps_result and not skip_cache_lookup
    earlier = _lookup(stage, store, bucket, f"{prefix}/{MANIFEST_NAME}") if looks else None
    if earlier is not None:
        return earlier
    if cancelled():
        raise CancelledError("cancelled before it began")

    # Two clips of the same content ask for the same action at the same time: each gets a folder of its own.
    scratch = scratch_root / f"{stage.name}-{digest[:16]}-{uuid.uuid4().hex}"
    uploads: list[float] = []
    # Stages publish while they run, perhaps on other threads: fetch, execute and uploads are the caller's spans alike.
    around = traces.here()

    def publish(path: Path, name: str, media_type: str) -> Artifact:
        began = time.perf_counter()
        with traces.span("upload", around, file=name):
            artifact = store.put(path, bucket, f"{prefix}/{name}", media_type)
            traces.note(bytes=artifact.size_bytes)
        uploads.append(time.perf_counter() - began)
        return artifact

    started_at, began = datetime.now(UTC).isoformat(timespec="milliseconds"), time.perf_counter()
    fetched = began
    outputs: OutputsT | None = None
    rejection: Rejection | None = None
    error: RejectionError | None = None
    try:
        fetched_folder = scratch / "inputs"
        fetched_folder.mkdir(parents=True)
        with traces.span("fetch"):
            paths = {artifact: store.fetch(artifact, fetched_folder) for artifact in artifacts_of(inputs)}
            traces.note(count=len(paths), bytes=sum(artifact.size_bytes for artifact in paths))
        fetched = time.perf_counter()
        with traces.span("execute"):
            ensure_loaded(stage)
            context = StageContext(store, scratch, paths.__getitem__, report, cancelled, publish, count_video)
            outputs = _run(stage, inputs, context, paths)
    except RejectionError as refused:
        error, rejection = refused, refused.rejection()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        return_memory()
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        stage=stage.name,
        stage_version=stage.version,
        action_digest=digest,
        inputs=all_without_secrets(to_json(inputs)),
        outputs=None if outputs is None else to_json(outputs),
        rejection=rejection,
        models=tuple(stage.models),
        execution_provider=stage.execution_provider,
        started_at=started_at,
        fetch_seconds=round(fetched - began, 4),
        execute_seconds=round(time.perf_counter() - fetched - sum(uploads), 4),
        upload_seconds=round(sum(uploads), 4),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )
    if stage.keeps_result:
        content = encode_manifest(manifest)
        with traces.span("upload", file=MANIFEST_NAME, bytes=len(content)):
            store.write(bucket, f"{prefix}/{MANIFEST_NAME}", content)
    if error is not None:
        raise error
    assert outputs is not None  # noqa: S101 - either outputs or an error
    return Execution(outputs, manifest, cached=False)


def _run(
    stage: Stage[Any, OutputsT], inputs: object, context: StageContext, paths: Mapping[Artifact, Path]
) -> OutputsT:
    """Run a stage; an input that is gone by now is told from any other file that is missing."""
    try:
        return stage.run(inputs, context)
    except FileNotFoundError as error:
        gone = [artifact for artifact, path in paths.items() if str(error.filename) == str(path)]
        if not gone:
            raise
        raise MissingArtifactError(f"{error.filename} is not there any more", gone[0]) from error


_loaded: weakref.WeakSet[Any] = weakref.WeakSet()
_load_lock = threading.Lock()


def ensure_loaded(stage: Stage[Any, Any]) -> None:
    """Load a stage's models before its first real execution in this process.

    Raises:
        ModelUnavailableError: A model's file, or a library that runs it, is missing or has changed since it was
            installed; or it cannot be run as it is asked for.
    """
    with _load_lock:
        if stage not in _loaded:
            try:
                stage.load()
            except (DamagedModelError, PrecisionUnavailableError, ProviderUnavailableError) as error:
                raise ModelUnavailableError(str(error)) from error
            except (OSError, ImportError) as error:
                # What is compiled for this machine is kept in a folder.
                if isinstance(error, OSError) and error.errno in NO_SPACE:
                    raise
                raise ModelUnavailableError(f"the models of {stage.name} cannot be loaded: {error}") from error
            _loaded.add(stage)


def _lookup(stage: Stage[Any, OutputsT], store: Store, bucket: str, key: str) -> Execution[OutputsT] | None:
    content = store.read(bucket, key)
    if content is None:
        return None
    try:
        manifest = decode_manifest(content)
        if manifest.rejection is not None:
            verdict = from_rejection(manifest.rejection)
            if verdict is None:
                return None
            raise verdict
        outputs: OutputsT = TypeAdapter(stage.outputs_type).validate_python(manifest.outputs)
        whole = all(store.has(artifact) for artifact in artifacts_of(outputs))
    except ValueError as error:
        log.warning("manifest is not readable; the stage runs again", key=key, error=str(error))
        return None
    if not whole:
        log.warning("outputs of a finished stage are gone; it runs again", key=key)
        return None
    return Execution(outputs, manifest, cached=True)


def forget(store: Store, artifact: Artifact) -> str:
    """Drop a lost artifact, and the record of the execution that made it, so that its stage makes it again.

    Args:
        store: Where it lies.
        artifact: What cannot be used.

    Returns:
        The stage that made it.
    """
    folder = artifact.key.rpartition("/")[0]
    # In this order: who makes it again in between keeps what it made.
    store.remove_key(artifact.bucket, artifact.key)
    store.remove_key(artifact.bucket, f"{folder}/{MANIFEST_NAME}")
    return folder.split("/")[-2] if "/" in folder else ""


def artifacts_of(value: object) -> Iterator[Artifact]:
    """Yield every artifact inside nested frozen dataclasses and tuples."""
    if isinstance(value, Artifact):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from artifacts_of(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from artifacts_of(item)


def as_stage_error(error: Exception, stage: str) -> StageError:
    """Return the error of the table that an exception of a stage, or of the store, stands for."""
    if isinstance(error, StageError):
        return error
    if isinstance(error, LostArtifactError):
        kind = InputMissingError if isinstance(error, MissingArtifactError) else CorruptInputError
        return kind(str(error), artifact=error.artifact)
    if isinstance(error, StoreUnavailableError):
        return StoreDownError(str(error))
    if isinstance(error, FileNotFoundError):
        # No input: those are told by their artifact. Something of the installation, or of the machine.
        log.error("a file is missing", stage=stage, exc_info=error)
        return InternalError(f"{error.filename or error} is missing where {stage} runs")
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return StorageFullError(f"no space left for {error.filename2 or error.filename or 'the work folder'}")
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return NotWritableError(f"{error.filename or 'the work folder'} cannot be written: {error.strerror}")
    log.error("unexpected error in a stage", stage=stage, exc_info=error)
    return InternalError(f"unexpected {type(error).__name__} in {stage}: {error}")
