"""The store in S3 buckets, over the minio client. The services use it."""

import hashlib
import hmac
import io
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import tenacity
import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, CopySource, Filter
from minio.error import InvalidResponseError, S3Error, ServerError
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.artifacts.store import CorruptArtifactError, MissingArtifactError, StoreUnavailableError

PART_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20
# The content's hash travels as user metadata: an ETag of a multipart upload is not a hash of the content.
SHA256_METADATA = "x-amz-meta-sha256"
# S3's answers that mean "not now": also bytes that were lost on the way, and clocks that differ for now.
_TRANSIENT_CODES = frozenset(
    ["BadDigest", "IncompleteBody", "InternalError", "RequestTimeTooSkewed", "RequestTimeout", "ServiceUnavailable",
     "SlowDown", "SlowDownRead", "SlowDownWrite", "XAmzContentSHA256Mismatch", "XMinioServerNotInitialized",
     "XMinioStorageQuotaUnavailable"]
)  # fmt: skip
_MISSING_CODES = frozenset(["NoSuchKey", "NoSuchBucket", "NoSuchObject", "NoSuchUpload"])

ResultT = TypeVar("ResultT")


class S3Store:
    """A store in the buckets of one S3 endpoint; safe for several threads."""

    def __init__(
        self,
        client: Minio,
        buckets: Collection[str],
        retry_seconds: float = 60,
        transferred: Callable[[str, int], None] = lambda direction, size: None,
    ) -> None:
        """Create a store.

        Args:
            client: Of the endpoint.
            buckets: Names that may be used; every other one is refused.
            retry_seconds: How long a store that does not answer is tried again, with back-off.
            transferred: Called with `download` or `upload` and a number of bytes.
        """
        self._client = client
        self._buckets = frozenset(buckets)
        self._transferred = transferred
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            stop=tenacity.stop_after_delay(retry_seconds),
            reraise=True,
        )

    def put(self, path: Path, bucket: str, key: str, media_type: str) -> Artifact:
        """Upload a local file and delete it; large ones go in parts. The object appears whole or not at all."""
        artifact = Artifact(bucket, key, sha256_of(path), path.stat().st_size, media_type)
        self._written(
            bucket,
            lambda: self._client.fput_object(
                bucket,
                key,
                str(path),
                content_type=media_type,
                metadata={"sha256": artifact.sha256},
                part_size=PART_BYTES,
                num_parallel_uploads=2,
            ),
        )
        self._transferred("upload", artifact.size_bytes)
        path.unlink()
        return artifact

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Download an object and verify it; see `Store.fetch`."""
        target = folder / artifact.sha256[:16] / Path(artifact.key).name
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{uuid.uuid4().hex}")
        try:
            try:
                digest, size = self._call(artifact.bucket, lambda: self._download(artifact, part))
            except FileNotFoundError as error:
                raise MissingArtifactError(f"{artifact.bucket}/{artifact.key} is not in the store", artifact) from error
            if (digest, size) != (artifact.sha256, artifact.size_bytes):
                raise CorruptArtifactError.of(f"{artifact.bucket}/{artifact.key}", artifact, size, digest)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def has(self, artifact: Artifact) -> bool:
        """Say whether the object is there, by its size and the hash that it was stored with."""
        try:
            stat = self._call(artifact.bucket, lambda: self._client.stat_object(artifact.bucket, artifact.key))
        except FileNotFoundError:
            return False
        stored = (stat.metadata or {}).get(SHA256_METADATA)
        return stat.size == artifact.size_bytes and stored in (None, artifact.sha256)

    def digest(self, bucket: str, key: str) -> tuple[str, int] | None:
        """Read an object and return the SHA-256 and the size of its content, or None where there is none."""

        def get() -> tuple[str, int]:
            hasher, size = hashlib.sha256(), 0
            with self._opened(bucket, key) as response:
                for chunk in response.stream(CHUNK_BYTES):
                    hasher.update(chunk)
                    size += len(chunk)
            return hasher.hexdigest(), size

        try:
            return self._call(bucket, get)
        except FileNotFoundError:
            return None

    def read(self, bucket: str, key: str) -> bytes | None:
        """Return a small object's content, or None where there is none."""

        def get() -> bytes:
            with self._opened(bucket, key) as response:
                return bytes(response.read())

        try:
            return self._call(bucket, get)
        except FileNotFoundError:
            return None

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Write a small object; it appears whole or not at all."""
        metadata: dict[str, str | list[str] | tuple[str]] = {"sha256": hashlib.sha256(content).hexdigest()}
        self._written(
            bucket,
            lambda: self._client.put_object(bucket, key, io.BytesIO(content), len(content), metadata=metadata),
        )

    def remove_key(self, bucket: str, key: str) -> None:
        """Remove an object by its key; nothing happens where there is none."""
        self._call(bucket, lambda: self._client.remove_object(bucket, key))

    def copy(self, artifact: Artifact, bucket: str, key: str) -> Artifact:
        """Copy an object inside the store; its bytes do not travel.

        Raises:
            FileNotFoundError: The store has no such object.
        """
        source = CopySource(artifact.bucket, artifact.key)
        self._call(bucket, lambda: self._client.copy_object(bucket, key, source))
        return Artifact(bucket, key, artifact.sha256, artifact.size_bytes, artifact.media_type)

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix."""
        for item in self._call(bucket, lambda: list(self._client.list_objects(bucket, prefix, recursive=True))):
            yield str(item.object_name)

    def ensure_bucket(self, bucket: str, expire_days: dict[str, int]) -> None:
        """Make a bucket where there is none, and set after how many days objects expire.

        Args:
            bucket: Its name.
            expire_days: Key prefix to days; objects of no prefix stay.
        """

        def ensure() -> None:
            if not self._client.bucket_exists(bucket):
                try:
                    self._client.make_bucket(bucket)
                except S3Error as error:
                    if error.code != "BucketAlreadyOwnedByYou":
                        raise
            rules = [
                Rule(ENABLED, rule_filter=Filter(prefix=prefix), rule_id=f"expire-{prefix.strip('/') or 'all'}",
                     expiration=Expiration(days=days))
                for prefix, days in expire_days.items()
            ]  # fmt: skip
            if rules:
                self._client.set_bucket_lifecycle(bucket, LifecycleConfig(rules))

        self._call(bucket, ensure)

    def _download(self, artifact: Artifact, target: Path) -> tuple[str, int]:
        """Return hash and size of what was read; it ends where there are more bytes than were announced."""
        hasher, size = hashlib.sha256(), 0
        with self._opened(artifact.bucket, artifact.key) as response, target.open("wb") as file:
            for chunk in response.stream(CHUNK_BYTES):
                size += len(chunk)
                if size > artifact.size_bytes:
                    break
                hasher.update(chunk)
                file.write(chunk)
        self._transferred("download", size)
        return hasher.hexdigest(), size

    @contextmanager
    def _opened(self, bucket: str, key: str) -> Iterator[Any]:
        """Open an object's content, and give the connection back."""
        response = self._client.get_object(bucket, key)
        try:
            yield response
        finally:
            response.close()
            response.release_conn()

    def _written(self, bucket: str, call: Callable[[], object]) -> None:
        try:
            self._call(bucket, call)
        except FileNotFoundError as error:
            # Nothing but the bucket can be missing: the orchestrator makes it when it starts.
            raise StoreUnavailableError(f"the object store has no bucket {bucket}") from error

    def _call(self, bucket: str, call: Callable[[], ResultT]) -> ResultT:
        if bucket not in self._buckets:
            raise ValueError(f"bucket {bucket!r} is not one of {', '.join(sorted(self._buckets))}")
        try:
            return self._retrying(call)
        except S3Error as error:
            if error.code in _MISSING_CODES:
                raise FileNotFoundError(2, error.code, f"{bucket}/{error.object_name or ''}") from error
            if _is_transient(error):
                raise StoreUnavailableError(f"the object store answers {error.code}") from error
            raise PermissionError(13, f"the object store refuses: {error.code}", bucket) from error
        except (urllib3.exceptions.HTTPError, ServerError, InvalidResponseError) as error:
            raise StoreUnavailableError(f"the object store does not answer: {type(error).__name__}") from error


def presign_get(client: Minio, bucket: str, key: str, seconds: int) -> str:
    """Return an address that lets its holder read one object for a while.

    Args:
        client: Of the endpoint that the holder reaches; the address is signed for it.
        bucket: Of the object.
        key: Of the object.
        seconds: How long it holds.
    """
    return client.get_presigned_url("GET", bucket, key, expires=timedelta(seconds=seconds))


def presign_put(
    client: Minio, bucket: str, key: str, seconds: int, sha256: str, size_bytes: int
) -> tuple[str, dict[str, str]]:
    """Return an address that lets its holder write one content to one object for a while.

    minio-py signs the host alone; here the hash and the length of the content are signed too, and the store refuses
    any other. Source: docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html.

    Args:
        client: Of the endpoint that the holder reaches; the address is signed for it.
        bucket: Of the object.
        key: Of the object.
        seconds: How long it holds.
        sha256: Hex digest of the content.
        size_bytes: Its length.

    Returns:
        The address, and the headers that a PUT to it must have.
    """
    plain = urlsplit(client.get_presigned_url("PUT", bucket, key, expires=timedelta(seconds=seconds)))
    given = {"content-length": str(size_bytes), "x-amz-content-sha256": sha256}
    signed = dict(sorted({"host": plain.netloc, **given}.items()))
    query = dict(parse_qsl(plain.query)) | {"X-Amz-SignedHeaders": ";".join(signed)}
    del query["X-Amz-Signature"]
    words = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
    asked = "\n".join(
        ["PUT", plain.path, words, *(f"{name}:{value}" for name, value in signed.items()), "", ";".join(signed), sha256]
    )
    scope = query["X-Amz-Credential"].split("/")[-4:]
    text = "\n".join(
        ["AWS4-HMAC-SHA256", query["X-Amz-Date"], "/".join(scope), hashlib.sha256(asked.encode()).hexdigest()]
    )
    provider = client._provider
    assert provider is not None  # noqa: S101 - `connect` gives one
    signing = f"AWS4{provider.retrieve().secret_key}".encode()
    for part in (*scope, text):
        signing = hmac.digest(signing, part.encode(), "sha256")
    return urlunsplit(plain._replace(query=f"{words}&X-Amz-Signature={signing.hex()}")), given


def connect(
    endpoint: str, access_key: str, secret_key: str, secure: bool, region: str, ca_certificate: Path | None
) -> Minio:
    """Return a client of an endpoint; nothing is sent yet."""
    options: dict[str, Any] = {"ca_certs": str(ca_certificate)} if ca_certificate else {}
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=5, read=60), maxsize=16, retries=False, cert_reqs="CERT_REQUIRED", **options
    )
    return Minio(endpoint, access_key=access_key, secret_key=secret_key, secure=secure, region=region, http_client=pool)


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, S3Error):
        return error.code in _TRANSIENT_CODES
    return isinstance(error, urllib3.exceptions.HTTPError | ServerError | InvalidResponseError)
