"""Downloads a plan: each video once, then its clips are cut. Every failure is kept with its reason."""

import errno
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import av

from talkmill.address import shown_address
from talkmill.dataset.lock import locked
from talkmill.hdtf.faces import FaceSampler
from talkmill.hdtf.region import NoFaceInClipError, Region, choose_region, faces_inside
from talkmill.hdtf.state import ClipState, VideoState, clip_states, row_digest, video_key, video_states
from talkmill.pipeline.plan import PlannedClip
from talkmill.stages.download.isolation import fetch_apart
from talkmill.stages.download.limits import WebLimits
from talkmill.stages.download.page import Page, PageOptions
from talkmill.stages.download.protocol import Job
from talkmill.stages.errors import (
    CancelledError,
    DownloadFailedError,
    NotAVideoError,
    RangeOutsideError,
    RateLimitedError,
    StageError,
    StorageFullError,
    error_kinds,
)
from talkmill.video.container import UnreadableVideoError, VideoDescription, describe
from talkmill.video.cut import EmptyCutError, SmallRegionError, VideoPart, cut_part, find_part
from talkmill.video.limits import VideoLimitError

# What may end otherwise when it is tried again as it was.
PASSING = frozenset(
    kind.reason for kind in error_kinds().values() if issubclass(kind, DownloadFailedError | StorageFullError)
) | {CancelledError.reason}
# So many videos in a row that the site refuses to too many requests: going on would make it worse.
RATE_LIMITED_IN_A_ROW = 3
# A clip that ends this much before its time range is suspicious.
LATE_SECONDS = 0.5

# Of one video. Pauses between tries, and a rate that the user holds down, take longer than a stage's download may.
LIMITS = WebLimits(max_seconds=24 * 3600)

Fetch = Callable[[str, Path, PageOptions, Callable[[int, int], None], Callable[[], bool]], Page]


def fetch_listed(
    address: str,
    folder: Path,
    options: PageOptions,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> Page:
    """Download the video of a page in a process of its own; see `fetch_page` and `fetch_apart`.

    Args:
        address: http(s) address.
        folder: Where files are written; partial ones of an earlier try are taken up again.
        options: How it is asked.
        progress: Called with bytes done and bytes in all; what it raises ends the download.
        cancelled: Asked whether to stop.

    Raises:
        VideoTooLargeError: It broke one of LIMITS.
        CancelledError: It was cancelled.
        StageError: Another reason of the download.
    """
    job = Job(address, options.max_height, folder, options.proxy, LIMITS, options)
    fetched = fetch_apart(job, progress, cancelled)
    return Page(fetched.path, fetched.provenance, fetched.attempts, fetched.notes)


@dataclass(frozen=True, slots=True)
class DownloadSettings:
    """How a plan is downloaded.

    Attributes:
        page: How pages are asked.
        sleep_seconds: Pause between videos.
        jobs: Videos at a time.
        whole_frame: Keep the whole frame instead of the crop.
        keep_videos: Keep the videos after their clips are cut.
        retry: Reasons: only videos that failed with one of them are tried. Empty for those not tried yet and those
            whose failure may pass.
    """

    page: PageOptions
    sleep_seconds: float = 0.0
    jobs: int = 1
    whole_frame: bool = False
    keep_videos: bool = True
    retry: frozenset[str] = frozenset()


class PlanDownloader:
    """Downloads a plan into a folder; what is there already is kept."""

    def __init__(
        self,
        folder: Path,
        settings: DownloadSettings,
        sampler: FaceSampler,
        say: Callable[[str], None],
        cancelled: threading.Event,
        fetch: Fetch = fetch_listed,
    ) -> None:
        """Create a downloader.

        Args:
            folder: Where `videos` and `clips` are written.
            settings: How.
            sampler: Looks at faces.
            say: Called with a line for each video and each clip that failed.
            cancelled: Set to stop; a partial video is taken up again by the next call.
            fetch: Gets the video of a page.
        """
        self._folder, self._settings, self._sampler = folder, settings, sampler
        self._say, self._cancelled, self._fetch = say, cancelled, fetch
        self._videos, self._clips = video_states(folder), clip_states(folder)
        self._limited = 0
        self._look = threading.Lock()

    def run(self, clips: Sequence[PlannedClip]) -> None:
        """Download and cut every clip of a plan that is wanted.

        Args:
            clips: The plan.

        Raises:
            CancelledError: It was cancelled.
            StorageFullError: The disk is full.
            RateLimitedError: The site refuses video after video to too many requests.
            FolderBusyError: Another download works in the folder.
        """
        with locked(self._folder, "download"):
            self._run(clips)

    def _run(self, clips: Sequence[PlannedClip]) -> None:
        groups: dict[str, list[PlannedClip]] = defaultdict(list)
        for clip in clips:
            groups[clip.url].append(clip)
        with ThreadPoolExecutor(self._settings.jobs, thread_name_prefix="download") as pool:
            futures = [pool.submit(self._video, url, members) for url, members in groups.items()]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._cancelled.set()
                for future in futures:
                    future.cancel()
                raise

    def _video(self, url: str, clips: Sequence[PlannedClip]) -> None:
        """Get one video and cut its clips."""
        if all(self._is_cut(clip) for clip in clips) and not self._settings.retry:
            return
        if self._cancelled.is_set():
            raise CancelledError("the download was cancelled")
        key = video_key(url)
        state = self._videos.read(key)
        there = state is not None and state.status == "ok" and (self._videos.folder / state.file).is_file()
        if not there:
            if not self._is_wanted(state):
                return
            state = self._get(url, key)
        assert state is not None  # noqa: S101 - it is there or was made
        if state.status != "ok":
            return
        source = self._videos.folder / state.file
        for clip in clips:
            if not self._is_cut(clip):
                self._cut(clip, source)
        if not self._settings.keep_videos and all(self._is_cut(clip) for clip in clips):
            source.unlink()

    def _is_wanted(self, state: VideoState | None) -> bool:
        if self._settings.retry:
            return state is not None and state.reason in self._settings.retry
        return state is None or state.status == "ok" or state.reason in PASSING

    def _get(self, url: str, key: str) -> VideoState:
        """Download one video and write down how it ended."""
        shown = shown_address(url)
        parts = self._videos.folder / f"{key}.parts"
        parts.mkdir(parents=True, exist_ok=True)

        def progress(done: int, total: int) -> None:
            if self._cancelled.is_set():
                raise CancelledError("the download was cancelled")

        try:
            page = self._fetch(url, parts, self._settings.page, progress, self._cancelled.is_set)
            found = _described(page.path)
            target = self._videos.folder / f"{key}{page.path.suffix.lower()}"
            page.path.replace(target)
            for rest in parts.iterdir():
                rest.unlink()
            parts.rmdir()
            size = (found.width, found.height)
            state = VideoState(shown, "ok", "", "", page.attempts, target.name, *size, page.provenance)
            self._limited = 0
        except CancelledError:
            raise
        except StageError as error:
            attempts = self._settings.page.retries + 1 if error.reason in PASSING else 1
            state = VideoState(shown, "failed", error.reason, str(error), attempts)
            self._videos.write(key, state)
            self._say(f"{shown}: {error.reason}: {error}; {error.remedy}")
            if error.reason not in PASSING:
                # What the site no longer stands by must not be taken up again.
                for rest in parts.iterdir():
                    rest.unlink()
            if error.stops_run:
                raise
            self._limited = self._limited + 1 if isinstance(error, RateLimitedError) else 0
            if self._limited >= RATE_LIMITED_IN_A_ROW:
                raise RateLimitedError(f"the site refused {self._limited} videos in a row: {error}") from error
            return state
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StorageFullError(f"no space is left in {self._folder}") from error
            raise
        self._videos.write(key, state)
        self._say(f"{shown}: {state.width}x{state.height}, {state.file}")
        # An interruptible pause: the next video of this worker waits.
        self._cancelled.wait(self._settings.sleep_seconds)
        return state

    def _row(self, clip: PlannedClip) -> str:
        crop = clip.crop
        region = None if crop is None else [crop.x, crop.y, crop.width, crop.height, crop.frame_height]
        return row_digest([clip.url, clip.start_seconds, clip.end_seconds, region, self._settings.whole_frame])

    def _is_cut(self, clip: PlannedClip) -> bool:
        state = self._clips.read(clip.name)
        if state is None or state.row != self._row(clip):
            return False
        return state.status == "failed" or (self._clips.folder / f"{clip.name}.mp4").is_file()

    def _cut(self, clip: PlannedClip, source: Path) -> None:
        """Cut one clip and write down how it ended."""
        state = ClipState(clip.name, self._row(clip), "failed", flags=clip.flags)
        target = self._clips.folder / f"{clip.name}.mp4"
        self._clips.folder.mkdir(parents=True, exist_ok=True)
        try:
            part = find_part(source, clip.start_seconds, clip.end_seconds)
            region, embedding = self._region(clip, part)
            flags = dict.fromkeys((*clip.flags, *region.flags))
            cut = cut_part(part, target, region.box)
            seconds = float(cut.frame_count / cut.rate)
            if clip.end_seconds is not None and seconds < clip.end_seconds - clip.start_seconds - LATE_SECONDS:
                flags["TIME_PAST_END"] = None
            state = replace(
                state,
                status="ok",
                flags=tuple(flags),
                region=region.box,
                frame_count=cut.frame_count,
                seconds=round(seconds, 3),
                has_sound=cut.has_sound,
                embedding=embedding,
            )
        except EmptyCutError as error:
            state = replace(state, reason=RangeOutsideError.reason, message=str(error))
        except SmallRegionError as error:
            state = replace(state, reason="FACE_TOO_SMALL", message=str(error))
        except NoFaceInClipError as error:
            state = replace(state, reason="NO_FACE", message=str(error))
        except (UnreadableVideoError, VideoLimitError, av.FFmpegError) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise StorageFullError(f"no space is left in {self._folder}") from error
            state = replace(state, reason="NOT_A_VIDEO", message=str(error))
        self._clips.write(clip.name, state)
        if state.status == "failed":
            self._say(f"{clip.name}: {state.reason}: {state.message}")

    def _region(self, clip: PlannedClip, part: VideoPart) -> tuple[Region, tuple[float, ...]]:
        # The networks take every core: one look at a time.
        with self._look:
            frames = self._sampler.frames(part)
            height, width = frames[0].shape[:2]
            faces = [self._sampler.faces(frame) for frame in frames]
            region = choose_region(clip.crop, width, height, faces)
            embedding = self._sampler.embedding(frames, faces_inside(faces, region.box))
        return (Region((0, 0, width, height), region.flags) if self._settings.whole_frame else region), embedding


def _described(path: Path) -> VideoDescription:
    try:
        return describe(path)
    except (UnreadableVideoError, VideoLimitError) as error:
        raise NotAVideoError(str(error)) from error


def summary(folder: Path, clips: Sequence[PlannedClip]) -> Counter[str]:
    """Count clips by how they ended: `ok`, a reason, or `not tried`."""
    return Counter(outcome(folder, clip)[0] for clip in clips)


def outcome(folder: Path, clip: PlannedClip) -> tuple[str, str, ClipState | None]:
    """Return how a clip ended (`ok`, a reason, or `not tried`), the words, and its state."""
    state = clip_states(folder).read(clip.name)
    if state is not None:
        return ("ok" if state.status == "ok" else state.reason), state.message, state
    video = video_states(folder).read(video_key(clip.url))
    if video is None or video.status == "ok":
        return "not tried", "", None
    return video.reason, video.message, None
