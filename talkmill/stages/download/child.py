"""The process of one download: reads its job from standard input, and writes lines of progress and the outcome.

It bounds itself before it reads anything of the web, and the system ends it, with all that it started, once its parent
is gone.
"""

import errno
import fcntl
import math
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.page import fetch_page
from talkmill.stages.download.protocol import JOB, TEXT_CHARACTERS, Failed, Fetched, Job, Line, Progress
from talkmill.stages.download.reasons import causes
from talkmill.stages.download.web import Budget, fetch_url
from talkmill.stages.errors import InternalError, StageError

# Seconds between two reports of progress.
PROGRESS_SECONDS = 0.1


def main() -> None:
    """Do the job of standard input."""
    answers = os.dup(sys.stdout.fileno())
    with Path(os.devnull).open("wb") as nothing:
        # What a library prints is no answer.
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    job = JOB.validate_json(sys.stdin.buffer.readline())
    end_with_the_parent(sys.stdin.fileno())
    bound(job.limits)
    # Made before memory may be short.
    no_memory = _failed(job.limits.too_much_memory(job.address)).encoded()
    try:
        answer = _outcome(job, _reporter(answers)).encoded()
    except MemoryError:
        answer = no_memory
    _write(answers, answer)


def end_with_the_parent(pipe: int) -> None:
    """Have the system end this group of processes when the other end of a pipe is closed, by whatever cause.

    SIGIO ends a process that does not handle it, also one that is busy in native code and reads nothing.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    look = select.poll()
    look.register(pipe, select.POLLIN)
    if look.poll(0):
        sys.exit("the parent is gone")


def bound(limits: WebLimits) -> None:
    """Bound memory, files and processor time of this process, and of each that it starts."""
    for kind, most in (
        (resource.RLIMIT_DATA, limits.max_memory_bytes),
        (resource.RLIMIT_FSIZE, limits.max_bytes),
        (resource.RLIMIT_CPU, math.ceil(limits.max_seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        allowed = resource.getrlimit(kind)[1]
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (most, most))


def _reporter(answers: int) -> Callable[[int, int], None]:
    last = -math.inf

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS:
            last = now
            _write(answers, Line(progress=Progress(done, total)).encoded())

    return report


def _outcome(job: Job, report: Callable[[int, int], None]) -> Line:
    budget = Budget(job.folder, job.limits, report)
    try:
        fetched = _fetched(job, budget)
    except Exception as error:
        return _failed(_limit_broken(error, job) or error)
    provenance = {name: text[:TEXT_CHARACTERS] for name, text in fetched.provenance.items()}
    return Line(fetched=fetched._replace(provenance=provenance))


def _fetched(job: Job, budget: Budget) -> Fetched:
    if job.page is None:
        return fetch_url(job.address, job.max_height, budget, job.proxy)
    options = replace(job.page, max_bytes=job.limits.max_bytes)
    page = fetch_page(job.address, job.folder, options, lambda done, total: budget.advance(job.address, done, total))
    return Fetched(page.path, page.provenance, page.notes, page.attempts)


def _limit_broken(error: BaseException, job: Job) -> StageError | None:
    """Return the error of a limit that the system kept, where that is what an exception comes from."""
    for cause in causes(error):
        number = cause.errno if isinstance(cause, OSError) else None
        if isinstance(cause, MemoryError) or number == errno.ENOMEM:
            return job.limits.too_much_memory(job.address)
        if number == errno.EFBIG:
            return job.limits.too_many_bytes(job.address)
    return None


def _failed(error: BaseException) -> Line:
    if isinstance(error, StageError):
        return Line(failed=Failed(error.reason, str(error)[:TEXT_CHARACTERS], error.measure, error.threshold))
    words = f"{type(error).__name__}: {error}"[:TEXT_CHARACTERS]
    # The parent adds the end of standard error to what is a defect.
    traceback.print_exception(error)
    return Line(failed=Failed(InternalError.reason, words, errno=error.errno if isinstance(error, OSError) else None))


def _write(answers: int, line: bytes) -> None:
    while line:
        line = line[os.write(answers, line) :]


if __name__ == "__main__":
    main()
