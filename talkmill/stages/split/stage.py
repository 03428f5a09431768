"""Split: one source to clips of one person each, at a constant frame rate, with their sound and face track."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkmill.arrays import Int64Array
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import ModelVersion, Rejection
from talkmill.faces.detection import DETECTORS
from talkmill.faces.finder import FaceFinder
from talkmill.faces.scale import union_ratio
from talkmill.inference.runtime import Runtime
from talkmill.models.installed import InstalledModel
from talkmill.record import NPZ_MEDIA_TYPE
from talkmill.sound.audio import SAMPLE_RATE, Sound, SoundCut, read_sound, write_wav
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.errors import (
    NoFaceError,
    NoFramesError,
    NotAVideoError,
    RangeOutsideError,
    RejectionError,
    VideoTooLargeError,
    from_rejection,
)
from talkmill.stages.records import FaceTrack
from talkmill.stages.split.clips import ClipPlan, holds_frame, plan_clips
from talkmill.stages.split.messages import CutClip, SplitInputs, SplitOutputs, SplitParameters, TimeRange
from talkmill.stages.split.survey import Survey, survey_source
from talkmill.text import counted
from talkmill.video.clip import CONTAINERS, PacketCopy, copy_packets, gives
from talkmill.video.container import NoFrameError, UnreadableVideoError
from talkmill.video.frame_table import FrameTable
from talkmill.video.limits import DEFAULT_LIMITS, VideoLimitError, VideoLimits
from talkmill.video.packets import PacketIndex, index_packets
from talkmill.video.resample import FrameSchedule, constant_rate, native_rate, schedule_frames
from talkmill.video.scan import Scan, first_shown, shown_seconds

# A clip that needs at least this share of its source's coded bytes is read from the source itself.
WHOLE_SOURCE_SHARE = 0.8


class SplitStage:
    """Looks at a source once, then copies the coded packets of its clips. Nothing is encoded."""

    name = "split"
    version = "17"
    outputs_type = SplitOutputs
    keeps_result = True

    def __init__(self, detector: InstalledModel, runtime: Runtime, limits: VideoLimits = DEFAULT_LIMITS) -> None:
        self.models: tuple[ModelVersion, ...] = (detector.version,)
        self._model = detector
        self._limits = limits
        self._runtime = runtime
        self.execution_provider = ""
        self.arithmetic = runtime.arithmetic

    def load(self) -> None:
        """Load the face detector."""
        network = self._runtime.load(self._model.checked_path(), self._model.version.id)
        self.execution_provider = network.execution_provider
        self.detector = DETECTORS[network.model_id](network)

    def run(self, inputs: SplitInputs, context: StageContext) -> SplitOutputs:
        """Cut a source into clips.

        Raises:
            NotAVideoError: The source is not a video.
            NoFramesError: No frame decodes, or none in the ranges that were asked for.
            NoFaceError: Not one clip has a face that lasts.
            RangeOutsideError: No range that was asked for lies inside the source.
            VideoTooLargeError: The source has more pixels, frames or seconds than are taken.
        """
        path, parameters = context.path(inputs.source), inputs.parameters
        index = self._index(path, parameters)
        survey = self._survey(path, index, parameters, context)
        scan = survey.scan
        native = native_rate(scan.times, index.rate)
        rate = native if parameters.fps == "source" else Fraction(parameters.fps)
        plans, rejections = plan_clips(scan.times, survey.detections, survey.takes, survey.is_still, rate, parameters)
        told = (*scan.notes, *survey.notes)
        if not plans:
            raise _no_clip_error(path, survey, rejections, parameters.ranges, told)
        clips = tuple(_Cutter(inputs.source, path, scan, rate, context).clips(plans))
        measurements: dict[str, Measurement] = {
            "source_frame_count": len(scan.times),
            "source_seconds": round(float(scan.times[-1] - scan.times[0]), 4),
            "source_codec": index.codec,
            "shot_count": len(survey.takes),
            "constant_rate": constant_rate(scan.times, native),
        }
        notes = [
            *index.choice.notes,
            *(
                str(_empty_error(path, [part], index))
                for part in parameters.ranges
                if not holds_frame(scan.times, part)
            ),
            *told,
        ]
        return SplitOutputs(clips, tuple(rejections), measurements, tuple(notes))

    def _index(self, path: Path, parameters: SplitParameters) -> PacketIndex:
        try:
            index = index_packets(path, parameters.video_stream, parameters.audio_stream, self._limits)
            if len(index.key):
                self._limits.check_length(len(index.key), shown_seconds(index, parameters.max_gap_seconds))
        except VideoLimitError as error:
            raise VideoTooLargeError(str(error)) from error
        except NoFrameError as error:
            raise NoFramesError(str(error)) from error
        except UnreadableVideoError as error:
            raise NotAVideoError(str(error)) from error
        if not len(index.key):
            raise NoFramesError(f"the video ({index.codec}) holds no frame")
        return index

    def _survey(self, path: Path, index: PacketIndex, parameters: SplitParameters, context: StageContext) -> Survey:
        def progress(done: int, total: int) -> None:
            context.advance(done, total)
            context.count_video(1, 1 / index.rate)

        ranges = parameters.ranges
        finder = FaceFinder(self.detector, parameters.min_face_pixels)
        survey = survey_source(path, index, finder, ranges, parameters.max_gap_seconds, progress)
        if survey is not None:
            return survey
        if ranges:
            raise _empty_error(path, ranges, index)
        if index.header_size == (0, 0):
            raise VideoTooLargeError(
                f"no frame decodes; frames may have more than {self._limits.max_pixels} pixels, which are not taken"
            )
        raise NoFramesError(f"no frame of the video ({index.codec}, {counted(len(index.key), 'packet')}) decodes")


class _Cutter:
    """Publishes the clips of one source."""

    def __init__(
        self,
        source: Artifact,
        path: Path,
        scan: Scan,
        rate: Fraction,
        context: StageContext,
    ) -> None:
        self._source, self._path = source, path
        self._scan, self._rate, self._context = scan, rate, context

    def clips(self, plans: Sequence[ClipPlan]) -> Iterator[CutClip]:
        """Publish each planned clip."""
        zero = self._scan.zero_seconds
        windows = [(zero + plan.start_seconds, zero + plan.end_seconds + 1 / self._rate) for plan in plans]
        sound = read_sound(self._path, self._scan.index, self._context.scratch / "sound.raw", windows)
        schedules = [self._schedule(plan) for plan in plans]
        videos = self._videos(plans, schedules)
        for index, (plan, schedule, (video, table)) in enumerate(zip(plans, schedules, videos, strict=True)):
            yield self._clip(index, plan, schedule, video, table, sound)

    def _schedule(self, plan: ClipPlan) -> FrameSchedule:
        times = self._scan.times[plan.first_frame : plan.end_frame]
        return schedule_frames(times, self._rate, plan.start_seconds, plan.end_seconds)

    def _clip(
        self,
        index: int,
        plan: ClipPlan,
        schedule: FrameSchedule,
        video: Artifact,
        table: FrameTable,
        sound: Sound | None,
    ) -> CutClip:
        scan, context, rate = self._scan, self._context, self._rate
        rows = schedule.source_indices
        count = len(rows)
        table_path = context.scratch / f"clip_{index:03}.frame_table.npz"
        table.save(table_path)
        track_path = context.scratch / f"clip_{index:03}.face_track.npz"
        FaceTrack(boxes=plan.track.boxes[rows], scores=plan.track.scores[rows]).save(track_path)
        cut = (
            sound.cut(scan.zero_seconds + plan.start_seconds, count, rate)
            if sound is not None
            else SoundCut.silent(count, rate)
        )
        wav = context.scratch / f"clip_{index:03}.wav"
        write_wav(wav, cut.samples)
        repeated = int(schedule.repeated.sum())
        notes = [*plan.notes, *_sound_notes(cut, sound, rate)]
        if repeated:
            notes.append(f"{repeated} of {count} frames repeat the one before: the source has no frame there")
        width, height = table.format.upright_size
        return CutClip(
            index=index,
            video=video,
            frame_table=context.publish(table_path, table_path.name, NPZ_MEDIA_TYPE),
            audio=context.publish(wav, wav.name, "audio/wav"),
            face_track=context.publish(track_path, track_path.name, NPZ_MEDIA_TYPE),
            frame_count=count,
            rate=str(rate),
            width=width,
            height=height,
            start_seconds=round(schedule.start_seconds, 6),
            measurements={
                "repeated_frame_count": repeated,
                "face_found_fraction": round(float((plan.track.scores[rows] > 0).mean()), 4),
                "median_face_pixels": round(float(np.median(plan.track.sides[rows])), 1),
                "union_ratio": round(union_ratio(plan.track.boxes[rows]), 3),
                "other_face_count": plan.other_face_count,
                "has_audio": cut.audible,
                "silent_padding_seconds": round(cut.missing_count / SAMPLE_RATE, 4),
            },
            notes=tuple(notes),
        )

    def _videos(
        self, plans: Sequence[ClipPlan], schedules: Sequence[FrameSchedule]
    ) -> Iterator[tuple[Artifact, FrameTable]]:
        """Give the coded video of each clip, and the table of its frames."""
        scan, sizes = self._scan, self._scan.index.size_bytes
        frames = [plan.first_frame + schedule.source_indices for plan, schedule in zip(plans, schedules, strict=True)]
        windows = [scan.windows(wanted) for wanted in frames]
        chosen: dict[int, tuple[Path | None, tuple[int, int]]] = {}
        # From the nearest key frame, and from ever further back where that gives something else.
        for back in range(max(len(some) for some in windows)):
            tried = {index: some[back] for index, some in enumerate(windows) if index not in chosen}
            copies = {
                index: PacketCopy(window, self._context.scratch / f"clip_{index:03}", scan.known(frames[index]))
                for index, window in tried.items()
                if sizes[slice(*window)].sum() < WHOLE_SOURCE_SHARE * sizes.sum()
            }
            copied = dict(zip(copies, copy_packets(self._path, scan.index, list(copies.values())), strict=True))
            for index, window in tried.items():
                path = copied.get(index)
                if path is not None or self._is_right(window, windows[index], frames[index]):
                    chosen[index] = path, window
            if len(chosen) == len(plans):
                break
        for index, (wanted, schedule) in enumerate(zip(frames, schedules, strict=True)):
            path, window = chosen[index]
            if path is None:
                yield self._source, scan.table(wanted, schedule, window)
            else:
                video = self._context.publish(path, path.name, CONTAINERS[path.suffix[1:]][1])
                yield video, scan.table(wanted, schedule, window, copied=True)

    def _is_right(self, window: tuple[int, int], windows: list[tuple[int, int]], frames: Int64Array) -> bool:
        """Whether decoding the source gives a clip's frames; where the scan began it does."""
        scan = self._scan
        return window == windows[-1] or gives(self._path, scan.index.choice.picture, window, scan.known(frames))


def _sound_notes(cut: SoundCut, sound: Sound | None, rate: Fraction) -> Iterator[str]:
    if sound is None:
        yield "the source has no sound: the WAV is silent"
        return
    yield from cut.notes
    if cut.missing_count > SAMPLE_RATE / rate:
        yield f"{cut.missing_count / SAMPLE_RATE:.2f} s without sound in the source are silent in the WAV"
    if not cut.audible:
        yield "the sound is silent"


def _no_clip_error(
    path: Path, survey: Survey, rejections: list[Rejection], ranges: Sequence[TimeRange], notes: Sequence[str]
) -> RejectionError:
    """Say why a source gives no clip, and what was seen in it that may be the cause."""
    scan = survey.scan
    if ranges and not any(holds_frame(scan.times, part) for part in ranges):
        return _empty_error(path, ranges, scan.index)
    faces = [rejection for rejection in rejections if rejection.reason != NoFaceError.reason]
    if faces:
        same = [rejection for rejection in faces if rejection.reason == faces[0].reason]
        chosen = max(same, key=lambda rejection: rejection.measure or 0)
    else:
        shots = f" of {counted(len(rejections), 'shot')}" if rejections else " take"
        chosen = NoFaceError(f"no face is seen in any{shots}, {len(scan.times)} frames in all").rejection()
    error = from_rejection(replace(chosen, message="; ".join((chosen.message, *notes))))
    assert error is not None  # noqa: S101 - this stage made it of a verdict
    return error


def _empty_error(path: Path, ranges: Sequence[TimeRange], index: PacketIndex) -> RejectionError:
    """Say why ranges give no frame: they lie outside the video, or what lies there is damaged."""
    wanted = ", ".join(f"{part.start_seconds:g} to {part.end_seconds:g} s" for part in ranges)
    times = np.sort(index.times[~index.hidden]) - first_shown(path, index)
    if any(holds_frame(times, part) for part in ranges):
        return NoFramesError(f"no frame in {wanted}, which was asked for, decodes")
    return RangeOutsideError(
        f"no frame lies in {wanted}, which was asked for: the last frame of the video stands at {times[-1]:.2f} s"
    )
