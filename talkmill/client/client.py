"""A client of the PipelineService: submits, uploads, watches, fetches. It needs no credentials of the store."""

import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import urlsplit

import grpc
import tenacity
import urllib3

from talkmill.address import AddressSecrets, without_secrets
from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceStub
from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.client.connection import bearer_token, lasting_trouble, server_address, trouble
from talkmill.client.settings import ClientSettings
from talkmill.client.sources import MAX_SOURCES, GivenSource, encode_sources
from talkmill.environment import is_loopback
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.naming import InputError, NamedSource, distinct_sources
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.pipeline.search import PassedOver
from talkmill.serving.certificates import CertificateError, read_certificates
from talkmill.stages.errors import StageError, UnauthenticatedError
from talkmill.telemetry import traces
from talkmill.text import path_of
from talkmill.wire.messages import fill_message, from_message
from talkmill.wire.status import error_info, stage_error

MAX_INLINE = 1000
_OPTIONS, _KNOWN = RunOptions(), SourceOptions()
# A restart of the server takes seconds, an upgrade of a cluster minutes.
WATCH_PATIENCE_SECONDS, LONGEST_WATCH_PAUSE_SECONDS = 300.0, 10.0
# What a call ends with when the connection or the server goes away under it.
_BROKEN = frozenset(
    [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL]
)
CALL_SECONDS = 120
SET_TOKEN = "set TALKMILL_TOKEN to a token that the operator gave you (`talkmill token NAME` makes one)"  # noqa: S105 - none
TRANSFERS_AT_ONCE = 4
CHUNK_BYTES = 1 << 20
_SPLITS = {"train": pb.SPLIT_TRAIN, "test": pb.SPLIT_TEST, "by-person": pb.SPLIT_BY_PERSON}
ENDED = (pb.STATE_SUCCEEDED, pb.STATE_FAILED, pb.STATE_CANCELLED)


_TRIED_AGAIN = tenacity.retry(
    retry=tenacity.retry_if_exception_type(urllib3.exceptions.HTTPError),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)


class _NotAsAnnouncedError(urllib3.exceptions.HTTPError):
    """The store got other bytes than the address was signed for."""


class ServerError(Exception):
    """The server refused a call or cannot be reached; the message says what to do, without secrets of addresses."""

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class Client:
    """A connection to an orchestrator; a context manager."""

    def __init__(
        self,
        server: str = "127.0.0.1:50051",
        token: str = "",
        ca: str | Path | None = None,
        plain_text: bool = False,
        internal_endpoint: bool = False,
    ) -> None:
        """Create a client; nothing is sent yet.

        Args:
            server: host:port of the orchestrator.
            token: Bearer token, or empty.
            ca: PEM of who signed the server's certificate; None for plain text.
            plain_text: Whether the token may travel in plain text beyond this machine.
            internal_endpoint: Whether the store is reached as the services reach it, from beside them.

        Raises:
            ServerError: The address is none, the token is none, the certificate cannot be used, or the token would
                travel in plain text.
        """
        try:
            server, token = server_address(server), bearer_token(token)
        except ValueError as error:
            raise ServerError(str(error)) from None
        options = [
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            # A server that comes back is found soon: by itself a channel waits for up to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ]
        if ca is not None:
            try:
                credentials = grpc.ssl_channel_credentials(read_certificates(Path(ca), "TALKMILL_SERVER_CA"))
            except CertificateError as error:
                raise ServerError(str(error)) from error
            self._channel = grpc.secure_channel(server, credentials, options=options)
        elif token and not plain_text and not is_loopback(server.rpartition(":")[0].strip("[]")):
            raise ServerError(
                "a token is not sent in plain text beyond this machine; set TALKMILL_SERVER_CA, or "
                "TALKMILL_PLAIN_TEXT=true where the network itself is trusted"
            )
        else:
            self._channel = grpc.insecure_channel(server, options=options)
        self._server, self._tls, self._internal = server, ca is not None, internal_endpoint
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        self._stub: Any = PipelineServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=10, read=120), maxsize=TRANSFERS_AT_ONCE, retries=False
        )

    @classmethod
    def of(cls, settings: ClientSettings) -> Self:
        """Create a client as the settings say."""
        token = settings.token.get_secret_value()
        return cls(settings.server, token, settings.server_ca, settings.plain_text, settings.internal_endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._channel.close()

    def submit(
        self,
        inputs: str | Path | Iterable[str | Path],
        options: RunOptions = _OPTIONS,
        known: SourceOptions = _KNOWN,
        priority: int = 0,
        uploaded: Callable[[str], None] = lambda name: None,
        passed_over: Callable[[tuple[PassedOver, ...]], None] = lambda rows: None,
    ) -> pb.Run:
        """Upload local files and create a run.

        Args:
            inputs: Video files, folders, http(s) addresses; one or many.
            options: What decides the numbers.
            known: What is known of the sources.
            priority: Lower runs first; 0 for the default.
            uploaded: Called with the name of each file that is in the store.
            passed_over: Called once with what was not taken of the inputs, by kind, if there is any.

        Raises:
            InputError: An input cannot be run.
            OptionError: An option cannot be read.
            ServerError: The server refused it or cannot be reached.
        """
        found = distinct_sources(known.sources(inputs))
        if found.passed_over:
            passed_over(found.passed_over)
        return self.submit_sources(found.sources, options.parameters(), priority, uploaded)

    def submit_sources(
        self,
        sources: Iterable[NamedSource],
        parameters: RunParameters,
        priority: int,
        uploaded: Callable[[str], None],
    ) -> pb.Run:
        """Upload local files and create a run of sources that have their names.

        Args:
            sources: Named by path or address.
            parameters: Of every stage.
            priority: Lower runs first; 0 for the default.
            uploaded: Called with the name of each file that is in the store.

        Raises:
            InputError: There are more sources than a run may have; nothing was uploaded.
            ServerError: The server refused it or cannot be reached.
        """
        sources = list(sources)
        if len(sources) > MAX_SOURCES:
            raise InputError(f"{len(sources)} sources; a run has at most {MAX_SOURCES}: submit them in several runs")

        def given(source: NamedSource) -> GivenSource:
            upload = None
            if source.sha256:
                upload = self.upload(path_of(source.uri), source.original_name, source.sha256, source.size_bytes)
                uploaded(source.original_name)
            # The server needs the whole address; it erases it once the source is downloaded.
            uri = source.original_name if source.sha256 else source.uri
            return GivenSource(uri, upload, source.person or "", source.link, source.split)

        with traces.span("submit", kind="client"), ThreadPoolExecutor(TRANSFERS_AT_ONCE) as pool:
            ready = list(pool.map(traces.in_this_context(given), sources))
            run = self.create(ready, parameters, priority)
            traces.note(run=run.name.removeprefix("runs/"))
        return run

    def create(self, sources: Sequence[GivenSource], parameters: RunParameters, priority: int) -> pb.Run:
        """Create a run of sources that are on the web or in the store already."""
        request = pb.CreateRunRequest(priority=priority, request_id=uuid.uuid4().hex)
        fill_message(parameters, request.parameters)
        if len(sources) <= MAX_INLINE:
            for one in sources:
                message = request.sources.add(
                    uri=one.uri, person=one.person, link_person=one.link_person, split=_SPLITS[one.split]
                )
                if one.upload is not None:
                    fill_message(one.upload, message.upload)
        else:
            fill_message(self._upload_list(sources), request.source_list)
        return self._call("CreateRun", request).run  # type: ignore[no-any-return]

    def upload(self, path: Path, name: str, sha256: str, size_bytes: int) -> Artifact:
        """Put a local file into the store, unless it is there, by an address that the server signs."""
        request = pb.CreateUploadRequest(
            file_name=name, sha256=sha256, size_bytes=size_bytes, internal_endpoint=self._internal
        )
        try:
            answer = self._call("CreateUpload", request)
        except ServerError as error:
            # Of a folder: which file it was.
            raise ServerError(f"{name} cannot be uploaded: {error}") from error
        if answer.put_uri:
            with _store_errors(answer.put_uri):
                self._put(answer.put_uri, path, dict(answer.put_headers))
        return from_message(answer.upload, Artifact)

    def get(self, name: str) -> pb.Run:
        """Return a run."""
        return self._call("GetRun", pb.GetRunRequest(name=name)).run  # type: ignore[no-any-return]

    def runs(self, count: int) -> Iterator[pb.Run]:
        """Yield the latest runs."""
        token = ""
        while count > 0:
            page = self._call("ListRuns", pb.ListRunsRequest(page_size=min(count, 1000), page_token=token))
            yield from page.runs
            count, token = count - len(page.runs), page.next_page_token
            if not token:
                return

    def clips(self, name: str, state: int = 0) -> Iterator[pb.Clip]:
        """Yield a run's clips, and the sources that did not become clips."""
        token = ""
        while True:
            request = pb.ListClipsRequest(parent=name, page_size=1000, page_token=token, state=state)  # type: ignore[arg-type]
            page = self._call("ListClips", request)
            yield from page.clips
            token = page.next_page_token
            if not token:
                return

    def cancel(self, name: str) -> pb.Run:
        """Cancel a run."""
        return self._call("CancelRun", pb.CancelRunRequest(name=name)).run  # type: ignore[no-any-return]

    def retry(self, name: str, clips: Iterable[str], from_stage: str) -> pb.RetryRunResponse:
        """Run clips again."""
        request = pb.RetryRunRequest(name=name, clips=clips, from_stage=from_stage)
        return self._call("RetryRun", request)  # type: ignore[no-any-return]

    def watch(self, name: str, patience_seconds: float = WATCH_PATIENCE_SECONDS) -> Iterator[pb.Run]:
        """Yield a run at every change until it has ended; a broken stream is opened again.

        Args:
            name: Of the run.
            patience_seconds: How long a server may be away, counted from the moment that its stream broke.

        Raises:
            ServerError: The server refuses, or was away for longer.
        """
        last: pb.Run | None = None
        broken_since: float | None = None
        while True:
            try:
                for answer in self._stub.WatchRun(pb.WatchRunRequest(name=name), metadata=self._metadata):
                    broken_since = None
                    if answer.run != last:
                        last = answer.run
                        yield last
                    if answer.run.state in ENDED:
                        return
                # The server ended the stream before the run ended, as it does when it stops.
                broken = ServerError(f"{self._server} ended the stream of {name} before the run ended")
            except grpc.RpcError as error:
                broken = self._explained(error)
                # What has answered once was given right: a name that is not found now may be found again.
                never = last is None and lasting_trouble(self._server, error.details() or "", self._tls)
                if not _is_break(error) or never:
                    raise broken from error
            now = time.monotonic()
            broken_since = now if broken_since is None else broken_since
            away = now - broken_since
            if away >= patience_seconds:
                raise ServerError(f"{broken}; it was away for {away:.0f} s, `talkmill watch {name}` watches on")
            time.sleep(min(LONGEST_WATCH_PAUSE_SECONDS, 0.1 + away / 4, patience_seconds - away))

    def fetch(self, name: str, out: str | Path, fetched: Callable[[str], None] = lambda path: None) -> int:
        """Download a run's files, and check every byte; files that are there already stay.

        Args:
            name: Of the run.
            out: Folder of the data set.
            fetched: Called with the path of each file.

        Returns:
            How many files there are.
        """

        def one(entry: pb.RunArtifact) -> str:
            parts = PurePosixPath(entry.path).parts
            if not parts or PurePosixPath(entry.path).is_absolute() or ".." in parts:
                raise ServerError(f"the server gave the path {entry.path!r}, which leads out of the folder")
            target = Path(out).joinpath(*parts)
            if not (target.is_file() and sha256_of(target) == entry.artifact.sha256):
                with _store_errors(entry.get_uri):
                    self._download(entry.get_uri, target, entry.artifact)
            fetched(entry.path)
            return entry.path

        count, token = 0, ""
        with ThreadPoolExecutor(TRANSFERS_AT_ONCE) as pool:
            while True:
                request = pb.ListRunArtifactsRequest(parent=name, page_token=token, internal_endpoint=self._internal)
                page = self._call("ListRunArtifacts", request)
                count += len(list(pool.map(one, page.artifacts)))
                token = page.next_page_token
                if not token:
                    return count

    def _upload_list(self, sources: Iterable[GivenSource]) -> Artifact:
        with tempfile.TemporaryDirectory() as folder:
            # A name of its own: the server deletes the list once it is taken in.
            path = Path(folder) / f"sources-{uuid.uuid4().hex}.jsonl"
            path.write_bytes(encode_sources(sources))
            return self.upload(path, path.name, sha256_of(path), path.stat().st_size)

    @_TRIED_AGAIN
    def _put(self, uri: str, path: Path, headers: dict[str, str]) -> None:
        with path.open("rb") as file:
            answer = self._http.request("PUT", uri, body=file, headers=headers)
        # The store names what came otherwise than it was signed: a byte was lost on the way, or the file changed.
        if b"SHA256Mismatch" in answer.data:
            raise _NotAsAnnouncedError(f"the store did not get {path.name} as it was announced")
        if answer.status >= 500:
            raise urllib3.exceptions.HTTPError(f"the store answers {answer.status}")
        if answer.status != 200:
            raise ServerError(f"the store refuses the upload of {path.name}: {answer.status}")

    @_TRIED_AGAIN
    def _download(self, uri: str, target: Path, artifact: Any) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            answer = self._http.request("GET", uri, preload_content=False)
            try:
                if answer.status != 200:
                    raise ServerError(f"the store refuses {target.name}: {answer.status}")
                with part.open("wb") as file:
                    for chunk in answer.stream(CHUNK_BYTES):
                        file.write(chunk)
            finally:
                answer.release_conn()
            if sha256_of(part) != artifact.sha256:
                raise urllib3.exceptions.HTTPError(f"{target.name} is not what the server announced")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _call(self, method: str, request: Any) -> Any:
        metadata = [*self._metadata, *traces.headers().items()]
        try:
            return getattr(self._stub, method)(request, metadata=metadata, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise self._explained(error) from error

    def _explained(self, error: Any) -> ServerError:
        info = error_info(error)
        if info is not None:
            told: StageError = stage_error(info)
            remedy = SET_TOKEN if isinstance(told, UnauthenticatedError) else told.remedy
            return ServerError(f"{told.reason}: {told}; {remedy}")
        return ServerError(trouble(self._server, error.code().name, error.details() or "", self._tls))


def _is_break(error: Any) -> bool:
    """Say whether a call ended because its server went away, not because of an answer."""
    if error_info(error) is not None:
        return bool(error.code() == grpc.StatusCode.UNAVAILABLE)
    return error.code() in _BROKEN


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    """Say which address of the store cannot be reached, and what to do."""
    try:
        yield
    except _NotAsAnnouncedError as error:
        raise ServerError(f"{error}: does it change while it is uploaded?") from error
    except urllib3.exceptions.HTTPError as error:
        host, signed = urlsplit(uri).netloc.rpartition("@")[2], AddressSecrets([uri])
        reason = signed.out_of(str(getattr(error, "reason", None) or error))
        raise ServerError(
            f"the object store at {host} does not serve this machine ({reason}): is it up, and can it be reached from "
            "here? On a cluster forward the store's port too; the server names it by TALKMILL_STORE__PUBLIC_ENDPOINT"
        ) from error
