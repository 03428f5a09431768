"""Files that clients put into the store: their keys name their content, and nothing is believed or deleted unread."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import structlog

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.store import CorruptArtifactError, MissingArtifactError, Store
from talkmill.stages.errors import CorruptInputError, InputMissingError, InvalidRequestError

log = structlog.get_logger()

# The disk of an orchestrator bounds a list; how many sources it may have, `talkmill.client.sources` says.
MAX_LIST_BYTES = 32 << 20
_KEY = re.compile(r"uploads/(?P<folder>[0-9a-f]{16})/(?P<sha256>[0-9a-f]{64})/(?P<name>[A-Za-z0-9._-]+)")


def upload_key(owner: str, sha256: str, name: str) -> str:
    """Return the key of an upload, which no other owner and no other content has."""
    return f"uploads/{_folder(owner)}/{sha256}/{name}"


def check_upload(upload: Artifact, owner: str, bucket: str, field: str) -> None:
    """Refuse what CreateUpload did not give to an owner: whoever knows a hash does not get at its content.

    Args:
        upload: As a request or a line of a list names it.
        owner: Of the request.
        bucket: Where uploads lie.
        field: Of the request.

    Raises:
        InvalidRequestError: The key is not that of an upload of this content.
        InputMissingError: It is that of another owner.
    """
    found = _KEY.fullmatch(upload.key)
    if found is None or upload.bucket != bucket or found["name"] in (".", "..") or found["sha256"] != upload.sha256:
        raise InvalidRequestError(f"{field}: what CreateUpload gave is wanted", field=field)
    if found["folder"] != _folder(owner):
        raise InputMissingError(f"{field}: you have uploaded no {upload.key}")


def is_whole(store: Store, upload: Artifact) -> bool:
    """Read an upload again whose content was not as announced.

    What is not the content that its key names is deleted, so that the next CreateUpload asks for it again. A wrong
    announcement, or a byte that was lost on the way, deletes nothing.

    Args:
        store: Where it lies.
        upload: As it was announced; `check_upload` has passed it.

    Returns:
        Whether the store holds what was announced.
    """
    found = store.digest(upload.bucket, upload.key)
    if found is None:
        return False
    sha256, size_bytes = found
    if sha256 != upload.sha256:
        log.warning("an upload is not what its key says and is deleted", key=upload.key, sha256=sha256)
        store.remove_key(upload.bucket, upload.key)
        return False
    return size_bytes == upload.size_bytes


@contextmanager
def opened_list(store: Store, source_list: Artifact) -> Iterator[BinaryIO]:
    """Give the lines of a list of sources, which is what was announced.

    Raises:
        InputMissingError: It is not in the store.
        CorruptInputError: It is not what was announced.
    """
    with TemporaryDirectory(prefix="talkmill-") as folder:
        try:
            path = store.fetch(source_list, Path(folder))
        except MissingArtifactError as error:
            raise InputMissingError(f"{error}, the list of sources") from error
        except CorruptArtifactError as error:
            raise CorruptInputError(f"{error}, the list of sources") from error
        with path.open("rb") as lines:
            yield lines


def _folder(owner: str) -> str:
    """Return the folder of an owner, whose name may hold anything."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16]
