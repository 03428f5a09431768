"""The PipelineService: translates requests to the ledger and back. It makes no decision about a run."""

import asyncio
import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Literal, TypeVar

import structlog
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from minio import Minio
from pydantic import ValidationError

from orchestrator.callers import caller
from orchestrator.finish import Finisher
from orchestrator.ledger.database import is_transient, until_answered
from orchestrator.ledger.quotas import Uploads
from orchestrator.ledger.retries import check_stage
from orchestrator.ledger.runs import NUMBER_OF_SOURCES, Runs, RunView
from orchestrator.ledger.tables import CANCELLED, FAILED, PENDING, RUNNING, SUCCEEDED
from orchestrator.uploads import MAX_LIST_BYTES, check_upload, opened_list, upload_key
from orchestrator.watches import Look, Watches
from talkmill.address import without_secrets
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceServicer
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.s3 import S3Store, presign_get, presign_put
from talkmill.artifacts.store import StoreUnavailableError
from talkmill.client.sources import GivenSource, encode_sources, source_lines
from talkmill.dataset.names import slug
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.naming import NamedSource
from talkmill.stages.errors import (
    DatabaseUnavailableError,
    InputMissingError,
    InternalError,
    InvalidRequestError,
    RunNotEndedError,
    RunNotFoundError,
    ScopeMissingError,
    StageError,
    StoreDownError,
)
from talkmill.telemetry import metrics, traces
from talkmill.text import is_plain
from talkmill.wire.messages import check_text, fill_message, from_message
from talkmill.wire.status import trailing_status

log = structlog.get_logger()

RequestT = TypeVar("RequestT", bound=Message)
ResultT = TypeVar("ResultT")

MAX_INLINE_SOURCES, MAX_RETRIED = 1000, 1000
MAX_UPLOAD_BYTES = 5 << 30
DEFAULT_PRIORITY, MAX_PRIORITY = 100, 1000
WATCH_SECONDS = 1.0
# A database that is away for longer is told to the caller.
DATABASE_SECONDS = 5.0
ADDRESS_SECONDS = 6 * 3600
_SPLITS = {0: "train", 1: "train", 2: "test", 3: "by-person"}


class PipelineServicer(PipelineServiceServicer):
    """Serves the runs of a ledger."""

    def __init__(
        self,
        runs: Runs,
        uploads: Uploads,
        finisher: Finisher,
        store: S3Store,
        public: Minio,
        internal: Minio,
        work_bucket: str,
        dataset_bucket: str,
        stop_calls: Callable[[str], None],
        streams_per_owner: int,
    ) -> None:
        """Create the servicer.

        Args:
            runs: Of the ledger.
            uploads: Of the ledger.
            finisher: Knows the files of ended runs.
            store: Where lists are written.
            public: Client of the endpoint that users reach; signs their addresses.
            internal: Client of the endpoint that the services reach; signs for clients beside them.
            work_bucket: Of uploads and lists.
            dataset_bucket: Of data sets.
            stop_calls: Ends this replica's calls of a run.
            streams_per_owner: WatchRun streams that one owner may have open at this replica.
        """
        self._runs, self._uploads, self._finisher, self._store = runs, uploads, finisher, store
        self._public, self._internal = public, internal
        self._work_bucket, self._dataset_bucket, self._stop_calls = work_bucket, dataset_bucket, stop_calls
        self._watches = Watches(self._look, WATCH_SECONDS, streams_per_owner)

    async def CreateRun(self, request: pb.CreateRunRequest, context: Any) -> pb.CreateRunResponse:  # noqa: N802
        """See pipeline.proto."""
        return await self._answer(context, "CreateRun", lambda: self._create(request))

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:  # noqa: N802
        """See pipeline.proto."""
        return await self._answer(
            context, "GetRun", lambda: pb.GetRunResponse(run=self._run(self._mine("read", request.name, "name")))
        )

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:  # noqa: N802
        """See pipeline.proto."""
        return await self._answer(context, "ListRuns", lambda: self._list(request))

    async def CancelRun(self, request: pb.CancelRunRequest, context: Any) -> pb.CancelRunResponse:  # noqa: N802
        """See pipeline.proto."""

        def cancel() -> pb.CancelRunResponse:
            run_id = self._mine("write", request.name, "name")
            self._runs.cancel(run_id)
            self._stop_calls(run_id)
            _audit("run cancelled", run=run_id)
            return pb.CancelRunResponse(run=self._run(run_id))

        return await self._answer(context, "CancelRun", cancel)

    async def RetryRun(self, request: pb.RetryRunRequest, context: Any) -> pb.RetryRunResponse:  # noqa: N802
        """See pipeline.proto."""

        def retry() -> pb.RetryRunResponse:
            if len(request.clips) > MAX_RETRIED:
                raise InvalidRequestError(f"clips: at most {MAX_RETRIED}", field="clips")
            for index, name in enumerate(request.clips):
                check_text(name, f"clips.{index}", 512)
            check_stage(check_text(request.from_stage, "from_stage", 64))
            run_id = self._mine("write", request.name, "name")
            count = self._runs.retry(run_id, list(request.clips), request.from_stage, caller().quota.running_clips)
            _audit("run tried again", run=run_id, count=count)
            return pb.RetryRunResponse(run=self._run(run_id), retried_count=count)

        return await self._answer(context, "RetryRun", retry)

    async def WatchRun(  # noqa: N802
        self, request: pb.WatchRunRequest, context: Any
    ) -> AsyncIterator[pb.WatchRunResponse]:
        """See pipeline.proto."""
        try:
            run_id = await _done(lambda: self._mine("read", request.name, "name"), "WatchRun")
            async with aclosing(self._watches.follow(run_id, caller().name)) as runs:
                async for found in runs:
                    yield pb.WatchRunResponse(run=found)
        except StageError as error:
            await _abort(context, "WatchRun", error)
        else:
            metrics.RPCS.labels("WatchRun", "OK").inc()

    async def ListClips(self, request: pb.ListClipsRequest, context: Any) -> pb.ListClipsResponse:  # noqa: N802
        """See pipeline.proto."""
        return await self._answer(context, "ListClips", lambda: self._clips(request))

    async def CreateUpload(  # noqa: N802
        self, request: pb.CreateUploadRequest, context: Any
    ) -> pb.CreateUploadResponse:
        """See pipeline.proto."""
        return await self._answer(context, "CreateUpload", lambda: self._upload(request))

    async def ListRunArtifacts(  # noqa: N802
        self, request: pb.ListRunArtifactsRequest, context: Any
    ) -> pb.ListRunArtifactsResponse:
        """See pipeline.proto."""
        return await self._answer(context, "ListRunArtifacts", lambda: self._artifacts(request))

    def _create(self, request: pb.CreateRunRequest) -> pb.CreateRunResponse:
        check_text(request.request_id, "request_id", 64)
        if without_secrets(request.request_id) != request.request_id:
            # It is kept as it is, to be compared.
            raise InvalidRequestError("request_id: an address is wanted nowhere in it", field="request_id")
        owner, limit = caller().name, caller().quota.running_clips
        known = self._runs.find_request(owner, request.request_id) if request.request_id else None
        if known:
            return pb.CreateRunResponse(run=self._run(known))
        if not 0 <= request.priority <= MAX_PRIORITY:
            raise InvalidRequestError(f"priority: 1 to {MAX_PRIORITY}, or 0", field="priority")
        parameters = from_message(request.parameters, RunParameters, "parameters")
        if bool(request.sources) == request.HasField("source_list"):
            raise InvalidRequestError("sources: give either sources or source_list", field="sources")
        if len(request.sources) > MAX_INLINE_SOURCES:
            raise InvalidRequestError(
                f"sources: at most {MAX_INLINE_SOURCES}; upload a list and give source_list", field="sources"
            )
        count = len(request.sources)
        if request.sources:
            given = [self._source(source, f"sources.{index}") for index, source in enumerate(request.sources)]
            content = encode_sources(given)
            digest = hashlib.sha256(content).hexdigest()
            # A name of its own: the list is deleted once it is taken in.
            key = upload_key(owner, digest, f"sources-{secrets.token_hex(8)}.jsonl")
            source_list = Artifact(self._work_bucket, key, digest, len(content), "application/jsonl")
            self._store.write(source_list.bucket, source_list.key, content)
        else:
            source_list = from_message(request.source_list, Artifact, "source_list")
            check_upload(source_list, owner, self._work_bucket, "source_list")
            if source_list.size_bytes > MAX_LIST_BYTES:
                raise InvalidRequestError(
                    f"source_list: {source_list.size_bytes} bytes; a list has at most {MAX_LIST_BYTES}: split it into "
                    "several runs",
                    field="source_list.size_bytes",
                )
            if not self._store.has(source_list):
                raise InputMissingError(f"{source_list.bucket}/{source_list.key} is not in the store")
            if limit is not None:
                with opened_list(self._store, source_list) as lines:
                    count = sum(1 for _ in source_lines(lines))
        priority = request.priority or DEFAULT_PRIORITY
        try:
            run_id = self._runs.create(
                owner, request.request_id, parameters, priority, source_list, count, limit, traces.headers()
            )
        finally:
            # Written above: where the run was refused, or the request had made its run before, nobody reads it.
            if request.sources and not self._runs.wants_list(source_list):
                self._store.remove_key(source_list.bucket, source_list.key)
        traces.note(run=run_id)
        _audit("run created", run=run_id)
        return pb.CreateRunResponse(run=self._run(run_id))

    def _source(self, source: pb.Source, where: str) -> GivenSource:
        upload = from_message(source.upload, Artifact, f"{where}.upload") if source.HasField("upload") else None
        if upload is not None:
            check_upload(upload, caller().name, self._work_bucket, f"{where}.upload")
        if source.split not in _SPLITS:
            raise InvalidRequestError(f"{where}.split: {source.split} is not a Split", field=f"{where}.split")
        check_text(source.uri, f"{where}.uri", 4096)
        person = without_secrets(check_text(source.person, f"{where}.person", 256))
        uri = source.uri if upload is None else without_secrets(source.uri)
        try:
            return GivenSource(uri, upload, person, source.link_person, _SPLITS[source.split])  # type: ignore[arg-type]
        except ValidationError as error:
            told = error.errors()[0]
            text = told["msg"].removeprefix("Value error, ")
            name = str(told["loc"][0]) if told["loc"] else text.partition(":")[0]
            raise InvalidRequestError(f"{where}.{name}: {text}", field=f"{where}.{name}") from None

    def _upload(self, request: pb.CreateUploadRequest) -> pb.CreateUploadResponse:
        name = without_secrets(check_text(request.file_name, "file_name", 255))
        if not name or "/" in name or name in (".", ".."):
            raise InvalidRequestError(f"file_name: {name!r}: a name without a path is wanted", field="file_name")
        if not 1 <= request.size_bytes <= MAX_UPLOAD_BYTES:
            raise InvalidRequestError("size_bytes: 1 byte to 5 GiB", field="size_bytes")
        stem, dot, suffix = name.rpartition(".")
        plain = f"{slug(stem or name)}.{slug(suffix).lower()}" if dot and stem else slug(name)
        try:
            digest = request.sha256
            upload = from_message(
                pb.Source(
                    upload={
                        "bucket": self._work_bucket, "key": upload_key(caller().name, digest, plain), "sha256": digest,
                        "size_bytes": request.size_bytes, "media_type": "application/octet-stream",
                    }
                ).upload,
                Artifact,
            )  # fmt: skip
        except InvalidRequestError:
            raise InvalidRequestError("sha256: 64 lower-case hex digits are wanted", field="sha256") from None
        response = pb.CreateUploadResponse()
        fill_message(upload, response.upload)
        if not self._store.has(upload):
            self._uploads.announce(caller().name, upload, caller().quota.upload_bytes)
            signing = self._internal if request.internal_endpoint else self._public
            response.put_uri, headers = presign_put(
                signing, upload.bucket, upload.key, ADDRESS_SECONDS, upload.sha256, upload.size_bytes
            )
            response.put_headers.update(headers)
            _audit("upload allowed", key=upload.key, size_bytes=upload.size_bytes)
        return response

    def _list(self, request: pb.ListRunsRequest) -> pb.ListRunsResponse:
        size = _page_size(request.page_size, 50)
        before = _read_token(request.page_token, (float, str))
        who = caller()
        owner = None if who.reads_all else who.name
        views = [self._runs.get(run_id) for run_id in self._runs.latest(owner, size, before)]
        token = _token(views[-1].row["created_at"], views[-1].row["id"]) if len(views) == size else ""
        return pb.ListRunsResponse(runs=[_run_message(view) for view in views], next_page_token=token)

    def _clips(self, request: pb.ListClipsRequest) -> pb.ListClipsResponse:
        size = _page_size(request.page_size, 100)
        if request.state not in pb.State.values():
            raise InvalidRequestError(f"state: {request.state} is not a State", field="state")
        state = pb.State.Name(request.state).removeprefix("STATE_") if request.state else None
        after = _read_token(request.page_token, (int, int, str), NUMBER_OF_SOURCES)
        rows = self._runs.clips(self._mine("read", request.parent, "parent"), size, after, state)
        token = _token(rows[-1]["position"], rows[-1]["number"], rows[-1]["name"]) if len(rows) == size else ""
        return pb.ListClipsResponse(clips=[_clip_message(row) for row in rows], next_page_token=token)

    def _artifacts(self, request: pb.ListRunArtifactsRequest) -> pb.ListRunArtifactsResponse:
        size = _page_size(request.page_size, 500)
        begin = (_read_token(request.page_token, (int,)) or (0,))[0]
        run_id = self._mine("read", request.parent, "parent")
        view = self._runs.get(run_id)
        if not view.ended:
            raise RunNotEndedError(f"run {run_id} is {view.row['state']}")
        files = self._finisher.files(run_id)
        response = pb.ListRunArtifactsResponse()
        signing = self._internal if request.internal_endpoint else self._public
        for path, artifact in files[begin : begin + size]:
            entry = response.artifacts.add(
                path=path, get_uri=presign_get(signing, artifact.bucket, artifact.key, ADDRESS_SECONDS)
            )
            fill_message(artifact, entry.artifact)
        if begin + size < len(files):
            response.next_page_token = _token(begin + size)
        return response

    def _mine(self, scope: Literal["read", "write"], name: str, field: str) -> str:
        """Return the id of a run that the caller may read or change.

        Raises:
            InvalidRequestError: It is not the name of a run.
            RunNotFoundError: There is none, or the caller may not know of it.
            ScopeMissingError: The caller may read it and not change it.
        """
        run_id, who = _run_id(name, field), caller()
        owner = self._runs.owner(run_id)
        if not who.may("read", owner):
            raise RunNotFoundError(f"there is no run {run_id}")
        if not who.may(scope, owner):
            raise ScopeMissingError(f"the token of {who.name} may read run {run_id}, and not change it")
        return run_id

    def _run(self, run_id: str) -> pb.Run:
        return _run_message(self._runs.get(run_id))

    async def _look(self, run_id: str, before: Any) -> Look:
        def look() -> Look:
            version = self._runs.version(run_id)
            if version == before:
                return Look(version)
            view = self._runs.get(run_id)
            return Look(version, _run_message(view), view.ended)

        return await _done(look, "WatchRun")

    async def _answer(self, context: Any, method: str, work: Callable[[], ResultT]) -> ResultT:
        try:
            with traces.span(method, traces.arrived(context.invocation_metadata() or ()), "server"):
                result = await _done(work, method)
        except StageError as error:
            await _abort(context, method, error)
            raise
        metrics.RPCS.labels(method, "OK").inc()
        return result


async def _done(work: Callable[[], ResultT], method: str) -> ResultT:
    """Do work on a thread; whatever goes wrong is a StageError."""
    try:
        return await asyncio.to_thread(until_answered, work, method, DATABASE_SECONDS)
    except StageError:
        raise
    except StoreUnavailableError as error:
        raise StoreDownError(str(error)) from error
    except Exception as error:
        if is_transient(error):
            raise DatabaseUnavailableError("the database does not answer") from error
        log.error("unexpected error in a call", method=method, exc_info=error)
        raise InternalError(f"unexpected {type(error).__name__}") from error


async def _abort(context: Any, method: str, error: StageError) -> None:
    metrics.RPCS.labels(method, error.code).inc()
    await context.abort(*trailing_status(error, ""))


def _audit(what: str, **about: Any) -> None:
    """Log who did something that changes what is stored."""
    log.info(what, audit=True, caller=caller().name, **about)


def _run_message(view: RunView) -> pb.Run:
    row = view.row
    clips = view.clip_states
    message = pb.Run(
        name=f"runs/{row['id']}",
        state=f"STATE_{row['state']}",
        create_time=_timestamp(row["created_at"]),
        priority=row["priority"],
        source_count=row["source_count"],
        sources_complete=row["sources_complete"],
        failed_source_count=view.source_states.get(FAILED, 0),
        pending_clip_count=clips.get(PENDING, 0) + clips.get(RUNNING, 0),
        succeeded_clip_count=clips.get(SUCCEEDED, 0),
        failed_clip_count=clips.get(FAILED, 0),
        cancelled_clip_count=clips.get(CANCELLED, 0),
        frame_count=view.frame_count,
        reason=row["reason"] or "",
        message=row["message"] or "",
    )
    if row["ended_at"] is not None:
        message.end_time.CopyFrom(_timestamp(row["ended_at"]))
    if view.seconds_left is not None:
        message.estimated_time_left.FromTimedelta(timedelta(seconds=round(view.seconds_left)))
    fill_message(view.parameters, message.parameters)
    for stage, states in sorted(view.stages.items()):
        message.stages.add(
            stage=stage,
            pending_count=states.get(PENDING, 0),
            running_count=states.get(RUNNING, 0),
            succeeded_count=states.get(SUCCEEDED, 0),
            failed_count=states.get(FAILED, 0),
        )
    return message


def _clip_message(row: Any) -> pb.Clip:
    source: NamedSource = json.loads(row["given"])
    return pb.Clip(
        name=row["name"],
        source=source["original_name"],  # type: ignore[index]
        state=f"STATE_{row['state']}",
        stage=row["stage"],
        frame_count=row["frame_count"],
        reason=row["reason"] or "",
        message=row["message"] or "",
        measure=row["measure"],
        threshold=row["threshold"],
        is_source=bool(row["is_source"]),
    )


def _timestamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def _run_id(name: str, field: str) -> str:
    kind, _, run_id = name.partition("/")
    if kind != "runs" or not run_id or len(run_id) > 64 or not run_id.isalnum():
        raise InvalidRequestError(f"{field}: `runs/ID` is wanted", field=field)
    if not run_id.isascii():
        raise RunNotFoundError("there is no such run")
    return run_id


def _page_size(size: int, default: int) -> int:
    if not 0 <= size <= 1000:
        raise InvalidRequestError("page_size: 1 to 1000, or 0", field="page_size")
    return size or default


def _token(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def _read_token(token: str, kinds: Sequence[type], least: int = 0) -> Any:
    if not token:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        if not isinstance(values, list) or len(values) != len(kinds):
            raise ValueError
        if not all(type(value) is kind for value, kind in zip(values, kinds, strict=True)):
            raise ValueError
        if any(not is_plain(value) if isinstance(value, str) else not least <= value < 2**53 for value in values):
            raise ValueError
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidRequestError("page_token: take it from the page before", field="page_token") from None
    return tuple(values)
