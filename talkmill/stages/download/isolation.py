"""Runs one download in a process of its own, and ends it at its time, at a cancel, or when it says too much.

What a page does to its process, by its size or by a fault of a library, ends that download alone.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO
from urllib.request import getproxies

from pydantic import ValidationError

from talkmill.address import AddressSecrets, shown_address
from talkmill.environment import environment_of_child
from talkmill.stages.download.protocol import JOB, LINE, LINE_BYTES, Failed, Fetched, Job, Line
from talkmill.stages.errors import CancelledError, DownloadFailedError, InternalError, StageError, error_kinds

# The folder that a user works in is not searched for modules.
COMMAND = (sys.executable, "-P", "-m", "talkmill.stages.download.child")
# A second thread of linear algebra would cost memory and do nothing.
DEFAULTS = {"OPENBLAS_NUM_THREADS": "1"}
# Settings of a server hold credentials, which a download has no use for.
KEPT_BACK = "TALKMILL_"
CHUNK_BYTES = 64 << 10
# How often a cancel is looked for while nothing comes.
POLLING_SECONDS = 0.2
LAST_WORDS_BYTES = 2000


def fetch_apart(job: Job, report: Callable[[int, int], None], cancelled: Callable[[], bool]) -> Fetched:
    """Do a download in a process of its own.

    Args:
        job: The download.
        report: Told bytes done and bytes in all; what it raises ends the download.
        cancelled: Asked whether the work should stop, also while nothing comes.

    Returns:
        A file in the folder of the job, its provenance and notes. The process and all that it started have ended.

    Raises:
        VideoTooLargeError: A limit of bytes, seconds or memory was reached.
        DownloadFailedError: The process was killed.
        CancelledError: The work was cancelled.
        OSError: The system refused something, such as space on the disk.
        StageError: Another reason of the download.
    """
    deadline = time.monotonic() + job.limits.max_seconds
    with tempfile.TemporaryFile(dir=job.folder) as words:
        outcome: Line | None = None
        with _started(job, words) as process:
            for line in _lines(process, deadline, job, cancelled):
                if line.progress is not None:
                    report(line.progress.done, max(line.progress))
                else:
                    outcome = line
                    break
        if outcome is None:
            raise _ended(process.returncode, _last_of(words, job), job)
        if outcome.fetched is not None:
            return _inside(outcome.fetched, job)
        raise _raised(outcome.failed, _last_of(words, job), job)


@contextmanager
def _started(job: Job, words: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the process and give it its job; at the end no process of its group is left."""
    environment = {
        name: text for name, text in environment_of_child(DEFAULTS).items() if not name.startswith(KEPT_BACK)
    }
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        env=environment,
        bufsize=0,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - asked for
    assert process.stdout is not None  # noqa: S101 - asked for
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(JOB.dump_json(job) + b"\n")
        # It stays open: the process ends where it is closed.
        yield process
    finally:
        # Before it is waited for: until then its number is nobody else's.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _lines(
    process: "subprocess.Popen[bytes]", deadline: float, job: Job, cancelled: Callable[[], bool]
) -> Iterator[Line]:
    """Yield what the process says, until it says no more."""
    assert process.stdout is not None  # noqa: S101 - asked for
    pipe = process.stdout.fileno()
    look = select.poll()
    look.register(pipe, select.POLLIN)
    rest = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise job.limits.too_long(job.address)
        if cancelled():
            raise CancelledError(f"the download of {shown_address(job.address)} was cancelled")
        if not look.poll(1000 * min(left, POLLING_SECONDS)):
            continue
        chunk = os.read(pipe, CHUNK_BYTES)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            raise InternalError(f"{shown_address(job.address)}: its process says too much")
        for text in whole:
            try:
                yield LINE.validate_json(text)
            except ValidationError as error:
                raise InternalError(f"{shown_address(job.address)}: its process says what is no answer") from error


def _last_of(words: IO[bytes], job: Job) -> str:
    """Return the end of what a process said on standard error, without secrets of its addresses."""
    words.seek(max(0, words.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
    secrets = AddressSecrets([job.address, *getproxies().values()])
    return secrets.out_of(words.read().decode("utf-8", "replace").strip())


def _ended(status: int, words: str, job: Job) -> StageError:
    """Return the error of a process that ended without an answer; its status is as subprocess gives it."""
    shown = shown_address(job.address)
    if status == -signal.SIGXCPU:
        return job.limits.too_long(job.address)
    if status < 0:
        return DownloadFailedError(f"{shown}: the process of the download was ended by {signal.Signals(-status).name}")
    last = words.rpartition("\n")[2]
    return InternalError(f"{shown}: the process of the download ended with status {status}: {last}")


def _raised(failed: Failed | None, words: str, job: Job) -> Exception:
    if failed is None:
        return InternalError(f"{shown_address(job.address)}: its process gave an empty answer")
    if failed.errno is not None:
        return OSError(failed.errno, failed.message)
    kind = error_kinds().get(failed.reason, InternalError)
    error = kind(failed.message, measure=failed.measure, threshold=failed.threshold)
    if isinstance(error, InternalError):
        error.add_note(words)
    return error


def _inside(fetched: Fetched, job: Job) -> Fetched:
    """Return an answer whose file lies in the folder of the job; no other file of this machine is taken."""
    path = fetched.path
    if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(job.folder.resolve()):
        raise InternalError(f"{shown_address(job.address)}: its process names a file that is not its own")
    return fetched
