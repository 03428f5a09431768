"""The table of errors: class, reason, gRPC code, whether a retry helps, and what to do.

A `RejectionError` says that the input does not belong in a training set; it is written down and not tried again.
A `FailureError` says that the machine, the network or the code failed; another try may end otherwise.
"""

from typing import ClassVar

from talkmill.address import without_secrets
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import Rejection
from talkmill.text import clean_text


class StageError(Exception):
    """An execution ended without outputs.

    Attributes:
        reason: UPPER_SNAKE name of the kind.
        code: Name of the gRPC status code.
        retryable: Whether the same request may succeed later.
        stops_run: Whether every other clip would meet the same error.
        remedy: What to do; names of parameters and options stand in backticks.
    """

    reason: ClassVar[str] = "INTERNAL"
    code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    stops_run: ClassVar[bool] = False
    remedy: ClassVar[str] = "report it with the output of the command"

    def __init__(self, message: str, *, measure: float | None = None, threshold: float | None = None) -> None:
        super().__init__(without_secrets(clean_text(message)))
        self.measure = measure
        self.threshold = threshold

    def rejection(self) -> Rejection:
        """Return the error as a row of the ledger of rejects."""
        return Rejection(self.reason, str(self), self.measure, self.threshold)


class RejectionError(StageError):
    """The input does not belong in a training set; the verdict is kept."""

    code = "FAILED_PRECONDITION"


class NotAVideoError(RejectionError):
    """The bytes are not a video that can be read."""

    reason, code, remedy = "NOT_A_VIDEO", "INVALID_ARGUMENT", "give a video file, or a URL that leads to one"


class NoFramesError(RejectionError):
    """The video holds no frame that decodes."""

    reason, code, remedy = (
        "NO_FRAMES",
        "INVALID_ARGUMENT",
        "get the file again: it is empty or damaged from its start",
    )


class NoFaceError(RejectionError):
    """No face is seen long enough."""

    reason, remedy = "NO_FACE", "choose a video in which one face is seen for at least `min_seconds`"


class RangeOutsideError(RejectionError):
    """No part of the source that was asked for lies inside it."""

    reason, code, remedy = "RANGE_OUTSIDE", "INVALID_ARGUMENT", "choose `ranges` inside the video"


class ClipTooShortError(RejectionError):
    """A shot with a face is shorter than the shortest clip."""

    reason, remedy = "CLIP_TOO_SHORT", "lower `min_seconds`, or choose a longer shot"


class FaceTooSmallError(RejectionError):
    """The face has too few pixels to train on."""

    reason, remedy = "FACE_TOO_SMALL", "take the video at a higher resolution, or lower `min_face`"


class HeadMovesError(RejectionError):
    """The head moves across the picture, or its size changes, so much that one crop would show it small."""

    reason, remedy = "HEAD_MOVES", "choose a take in which the head keeps its place and its size for longer"


class StillPictureError(RejectionError):
    """The face never moves: a photograph or a poster, or a picture that is frozen."""

    reason, remedy = "STILL_PICTURE", "choose a part of the video in which the person is seen speaking"


class MatteLostError(RejectionError):
    """The matte misses the face in too many frames."""

    reason = "MATTE_LOST"
    remedy = "look at the clip: is the face in profile, dark or cut off? Or try the `matting` method rvm-mobilenetv3"


class LandmarksInvalidError(RejectionError):
    """Landmarks could not be measured in too many frames."""

    reason, remedy = "LANDMARKS_INVALID", "look at the clip: the face is hidden, cut off, turned away or not upright"


class PersonChangesError(RejectionError):
    """The face of one moment is not that of another."""

    reason, remedy = "PERSON_CHANGES", "choose `ranges` in which one person is seen, all in one command"


class FitFailedError(RejectionError):
    """The morphable model could not be fitted."""

    reason = "FIT_FAILED"
    remedy = "look at the clip: the face may be in profile or hidden, so that its landmarks do not look like a head"


class FailureError(StageError):
    """The machine, the network or the code failed, or somebody said no for now; the verdict is not kept."""


class DownloadRefusedError(FailureError):
    """The server refuses to give the file to this machine today."""

    reason, code, remedy = (
        "DOWNLOAD_REFUSED",
        "FAILED_PRECONDITION",
        "open the address in a browser and check it",
    )


class VideoRemovedError(DownloadRefusedError):
    """The video was removed."""

    reason, remedy = "VIDEO_REMOVED", "look for another copy of the video; this address is dead"


class VideoPrivateError(DownloadRefusedError):
    """The video is private: only invited accounts may see it."""

    reason, remedy = "VIDEO_PRIVATE", "ask the owner, or use `cookies` of an account that was invited"


class GeoBlockedError(FailureError):
    """The video is blocked in this country."""

    reason, code, remedy = (
        "GEO_BLOCKED",
        "FAILED_PRECONDITION",
        "use a `proxy` in a country where it is shown",
    )


class AgeRestrictedError(FailureError):
    """The site asks for an account with a confirmed age."""

    reason, code, remedy = (
        "AGE_RESTRICTED",
        "FAILED_PRECONDITION",
        "use `cookies` of an account whose age is confirmed",
    )


class SignInRequiredError(FailureError):
    """The site asks for an account, or takes this machine for a robot."""

    reason, code, remedy = (
        "SIGN_IN_REQUIRED",
        "FAILED_PRECONDITION",
        "use `cookies` or `cookies_from_browser` of an account, and a longer `sleep`",
    )


class FormatMissingError(FailureError):
    """The site offers no format of the video that can be downloaded."""

    reason, code, remedy = (
        "FORMAT_MISSING",
        "FAILED_PRECONDITION",
        "update yt-dlp, and make sure that a JavaScript runtime is installed: talkmill doctor shows both",
    )


class DownloadFailedError(FailureError):
    """The network failed during a download."""

    reason, code, retryable, remedy = "DOWNLOAD_FAILED", "UNAVAILABLE", True, "run it again"


class RateLimitedError(DownloadFailedError):
    """The site received too many requests from this machine."""

    reason, remedy = "RATE_LIMITED", "wait an hour, then run it again with a longer `sleep`"


class FrameContractError(FailureError):
    """A per-frame artifact has another number of frames than its clip."""

    reason = "FRAME_CONTRACT_BROKEN"


class StorageFullError(FailureError):
    """No space is left where the work folder or the data set lies."""

    reason, code, stops_run = "STORAGE_FULL", "RESOURCE_EXHAUSTED", True
    remedy = "free space and run it again: finished stages are kept"


class NotWritableError(FailureError):
    """The output folder cannot be written."""

    reason, code, stops_run = "NOT_WRITABLE", "PERMISSION_DENIED", True
    remedy = "choose a folder that you may write to"


class OtherSetError(FailureError):
    """The output folder holds a set of another size."""

    reason, code, stops_run = "OTHER_SET", "FAILED_PRECONDITION", True
    remedy = "choose another folder for `out`, or the `size` of the set that is there"


class SetDamagedError(FailureError):
    """The output folder holds a set that is damaged in what it says of a clip."""

    reason, code, stops_run = "SET_DAMAGED", "DATA_LOSS", True
    remedy = "take the clip out with talkmill dataset remove, then run the command that made it again"


class LostInputError(FailureError):
    """A stored input cannot be used; whoever runs the stages goes back to the one that made it.

    Attributes:
        artifact: The input; None where it is not one of the store.
    """

    def __init__(
        self,
        message: str,
        *,
        measure: float | None = None,
        threshold: float | None = None,
        artifact: Artifact | None = None,
    ) -> None:
        super().__init__(message, measure=measure, threshold=threshold)
        self.artifact = artifact


class CorruptInputError(LostInputError):
    """A stored input is not what its manifest says."""

    reason, code, remedy = "CORRUPT_INPUT", "DATA_LOSS", "run it again: it is made again"


class InputMissingError(LostInputError):
    """A stored input is missing."""

    reason, code, remedy = (
        "INPUT_MISSING",
        "NOT_FOUND",
        "put it back if it is a file of yours; then run it again: everything else is made again",
    )


class StoreDownError(FailureError):
    """The object store does not answer."""

    reason, code, retryable, remedy = "STORE_UNAVAILABLE", "UNAVAILABLE", True, "check that the object store runs"


class ModelUnavailableError(FailureError):
    """A model that the request needs is not where the stage runs."""

    reason, code, remedy = "MODEL_UNAVAILABLE", "FAILED_PRECONDITION", "fetch it there, or choose another method"


class VideoTooLargeError(FailureError):
    """A video has more pixels, frames or seconds, or a download more bytes, seconds or memory, than is allowed here."""

    reason, code, remedy = "VIDEO_TOO_LARGE", "RESOURCE_EXHAUSTED", "cut it, or raise the limits of the services"


class WorkerLostError(FailureError):
    """The worker died or stopped answering each time it had this work."""

    reason, code, remedy = "WORKER_LOST", "ABORTED", "look for the clip's request id in the stage's logs and memory"


class ServiceFullError(FailureError):
    """All slots of the service are taken, or it is shutting down; the work was not started."""

    reason, code, retryable, remedy = "SERVICE_FULL", "UNAVAILABLE", True, "call again later"


class InvalidRequestError(FailureError):
    """A field of a request is invalid."""

    reason, code, remedy = "INVALID_REQUEST", "INVALID_ARGUMENT", "fix the field named in the message"

    def __init__(
        self, message: str, *, measure: float | None = None, threshold: float | None = None, field: str = ""
    ) -> None:
        super().__init__(message, measure=measure, threshold=threshold)
        self.field = field


class UnauthenticatedError(FailureError):
    """The call has no token, a wrong one, or one that has expired."""

    reason, code, remedy = (
        "UNAUTHENTICATED",
        "UNAUTHENTICATED",
        "send `authorization: Bearer TOKEN` with a valid token",
    )


class ScopeMissingError(FailureError):
    """The token does not allow this call."""

    reason, code, remedy = "SCOPE_MISSING", "PERMISSION_DENIED", "use a token with the scope named in the message"


class RunNotFoundError(FailureError):
    """There is no such run."""

    reason, code, remedy = "RUN_NOT_FOUND", "NOT_FOUND", "list the runs to see their names"


class ClipNotFoundError(FailureError):
    """The run has no such clip or source."""

    reason, code, remedy = "CLIP_NOT_FOUND", "NOT_FOUND", "list the clips of the run to see their names"


class RunNotEndedError(FailureError):
    """The run has not ended yet."""

    reason, code, remedy = "RUN_NOT_ENDED", "FAILED_PRECONDITION", "wait until it has ended, or cancel it"


class AddressErasedError(FailureError):
    """The run no longer has the whole address of a source: it was erased once it was downloaded."""

    reason, code, remedy = "ADDRESS_ERASED", "FAILED_PRECONDITION", "submit the source again with its whole address"

    @classmethod
    def of(cls, shown: str) -> "AddressErasedError":
        """Return the error of a source, by its address as it is shown."""
        return cls(f"the run no longer has the whole address of {shown}, and cannot download it again")


class QuotaExceededError(FailureError):
    """The token may not have so much at a time; the message names its limit and what there is."""

    reason, code = "QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"
    remedy = "wait until runs of yours have ended, cancel one, or ask the operator for a larger quota"


class DatabaseUnavailableError(FailureError):
    """The orchestrator's database does not answer."""

    reason, code, retryable, remedy = "DATABASE_UNAVAILABLE", "UNAVAILABLE", True, "call again later"


class CancelledError(FailureError):
    """The work was cancelled."""

    reason, code, retryable, remedy = "CANCELLED", "CANCELLED", True, "run it again to go on"


class InternalError(FailureError):
    """A defect: an unexpected exception."""


def _all_kinds(root: type[StageError]) -> list[type[StageError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *_all_kinds(child))]


def error_kinds() -> dict[str, type[StageError]]:
    """Return every reason with its class."""
    return {kind.reason: kind for kind in _all_kinds(StageError)}


def remedy_of(reason: str) -> str:
    """Return what to do about an error; empty where the reason is not one of the table."""
    kind = error_kinds().get(reason)
    return kind.remedy if kind else ""


def is_verdict(rejection: Rejection) -> bool:
    """Say whether a rejection judges the input; a failure of the machine or the network does not."""
    return issubclass(error_kinds().get(rejection.reason, StageError), RejectionError)


def from_rejection(rejection: Rejection) -> RejectionError | None:
    """Return the error that a kept verdict stands for; None where its reason is no verdict (any more)."""
    kind = error_kinds().get(rejection.reason)
    if kind is None or not issubclass(kind, RejectionError):
        return None
    return kind(rejection.message, measure=rejection.measure, threshold=rejection.threshold)
