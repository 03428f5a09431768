"""Answers of a store that mean "not now" are tried again and told as such; others are refusals."""

from typing import Any, cast

import pytest
from minio.error import S3Error

from talkmill.artifacts.s3 import S3Store
from talkmill.artifacts.store import StoreUnavailableError


class Client:
    """Answers every request with one error."""

    def __init__(self, code: str) -> None:
        self._code, self.calls = code, 0

    def remove_object(self, bucket: str, key: str) -> None:
        self.calls += 1
        raise S3Error(cast(Any, None), self._code, None, None, None, None)


# Clocks that differ by more than 15 minutes, and bytes that were lost between here and the store, pass.
@pytest.mark.parametrize("code", ["SlowDown", "RequestTimeTooSkewed", "BadDigest", "XAmzContentSHA256Mismatch"])
def test_what_passes_is_tried_again(code: str) -> None:
    client = Client(code)
    with pytest.raises(StoreUnavailableError, match=code):
        S3Store(cast(Any, client), ["work"], retry_seconds=0.5).remove_key("work", "a")
    assert client.calls > 1


def test_a_refusal_is_told_at_once() -> None:
    client = Client("AccessDenied")
    with pytest.raises(PermissionError, match="AccessDenied"):
        S3Store(cast(Any, client), ["work"], retry_seconds=0.5).remove_key("work", "a")
    assert client.calls == 1
