"""Split: one source to clips of one person each, at a constant frame rate, with their sound and face track."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.artifacts.manifest import ModelVersion, Rejection
from talkmill.faces.detection import DETECTORS, Detections
from talkmill.faces.finder import FaceFinder
from talkmill.faces.scale import union_ratio
from talkmill.inference.runtime import Runtime
from talkmill.models.installed import InstalledModel
from talkmill.sound.audio import SAMPLE_RATE, cut_audio, read_audio, write_wav
from talkmill.stages.contract import Measurement, StageContext
from talkmill.stages.errors import (
    FrameContractError,
    NoFaceError,
    NoFramesError,
    NotAVideoError,
    RangeOutsideError,
    RejectionError,
    VideoTooLargeError,
    from_rejection,
)
from talkmill.stages.records import MEDIA_TYPE, FaceTrack
from talkmill.stages.split.clips import ClipPlan, holds_frame, plan_clips
from talkmill.stages.split.messages import CutClip, SplitInputs, SplitOutputs, TimeRange
from talkmill.text import counted
from talkmill.video.container import UnreadableVideoError, VideoDescription, describe
from talkmill.video.decode import DecodeReport, read_frames
from talkmill.video.encode import SMALLEST_CLIP_SIDE, clip_writer, copy_video, same_colours, same_packets
from talkmill.video.limits import DEFAULT_LIMITS, VideoLimitError, VideoLimits
from talkmill.video.resample import FrameSchedule, constant_rate, native_rate, schedule_frames
from talkmill.video.scenes import SceneCutFinder

# A header may count one frame more than decode, at the end of a cut file; more than that is damage.
COUNT_TOLERANCE = 2
# Codecs that an .mp4 holds and every later stage decodes.
COPIED_CODECS = ("h264", "hevc", "av1", "libdav1d", "mpeg4")


@dataclass(frozen=True, slots=True)
class _Survey:
    """The first pass over a source."""

    times: npt.NDArray[np.float64]
    detections: list[Detections]
    shots: list[tuple[int, int]]
    size: tuple[int, int]
    damage: str | None


class SplitStage:
    """Finds shots and faces in one pass, then writes the clips in a second."""

    name = "split"
    version = "5"
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
            NoFramesError: No frame decodes.
            NoFaceError: Not one clip has a face that lasts.
            RangeOutsideError: No frame lies in the ranges that were asked for.
            VideoTooLargeError: The source has more pixels, frames or seconds than are taken.
        """
        path, parameters = context.path(inputs.source), inputs.parameters
        try:
            description = describe(path, self._limits)
        except VideoLimitError as error:
            raise VideoTooLargeError(str(error)) from error
        except UnreadableVideoError as error:
            kind = NoFramesError if "frame" in str(error) else NotAVideoError
            raise kind(str(error)) from error
        survey = self._survey(path, description, FaceFinder(self.detector, parameters.min_face_pixels), context)
        native = native_rate(survey.times) if len(survey.times) > 1 else description.average_rate or Fraction(25)
        rate = native if parameters.fps == "source" else Fraction(parameters.fps)
        plans, rejections = plan_clips(survey.times, survey.detections, survey.shots, rate, parameters)
        if not plans:
            raise _no_clip_error(survey, rejections, inputs.parameters.ranges)
        notes = _source_notes(description, survey, parameters.ranges)
        audio = read_audio(path, self._limits.max_seconds) if description.has_audio else None
        clips = tuple(self._write(path, plans, description, survey, rate, audio, context))
        measurements: dict[str, Measurement] = {
            "source_frame_count": len(survey.times),
            "source_seconds": round(float(survey.times[-1] - survey.times[0]), 4),
            "source_codec": description.codec,
            "source_pixel_format": description.pixel_format,
            "shot_count": len(survey.shots),
            "constant_rate": constant_rate(survey.times, native),
        }
        return SplitOutputs(clips, tuple(rejections), measurements, tuple(notes))

    def _survey(self, path: Path, description: VideoDescription, finder: FaceFinder, context: StageContext) -> _Survey:
        report, cuts = DecodeReport(), SceneCutFinder()
        times: list[float] = []
        detections: list[Detections] = []
        size = (0, 0)
        for frame in read_frames(path, report):
            if not times:
                size = (frame.image.shape[1], frame.image.shape[0])
            elif (frame.image.shape[1], frame.image.shape[0]) != size:
                report.damage = f"the frame size changes after {frame.time_seconds:.2f} s; the rest is left out"
                break
            times.append(frame.time_seconds)
            try:
                self._limits.check_length(len(times), times[-1] - times[0])
            except VideoLimitError as error:
                raise VideoTooLargeError(str(error)) from error
            detections.append(finder.find(frame.image))
            cuts.add(frame.image)
            context.advance(len(times), max(len(times), description.frame_count) * 2)
            context.count_video(1, max(0.0, times[-1] - times[-2]) if len(times) > 1 else 0.0)
        if not times:
            raise NoFramesError(f"the video holds no frame that decodes ({report.damage or 'it ends at once'})")
        return _Survey(np.array(times), detections, cuts.shots(), size, report.damage)

    def _write(
        self,
        path: Path,
        plans: list[ClipPlan],
        description: VideoDescription,
        survey: _Survey,
        rate: Fraction,
        audio: tuple[npt.NDArray[np.int16], float] | None,
        context: StageContext,
    ) -> Iterator[CutClip]:
        schedules = [
            schedule_frames(survey.times[plan.first_frame : plan.end_frame], rate, plan.start_seconds, plan.end_seconds)
            for plan in plans
        ]
        videos = [context.scratch / f"clip_{index:03}.mp4" for index in range(len(plans))]
        width, height = (side - side % 2 for side in survey.size)
        if _can_copy(description, survey, plans, rate) and _copied(path, videos[0], len(survey.times)):
            copied = True
        else:
            copied = False
            _encode(path, plans, schedules, videos, (width, height), len(survey.times), context)
        for index, (plan, schedule, video) in enumerate(zip(plans, schedules, videos, strict=True)):
            yield self._publish(index, plan, schedule, video, copied, survey, audio, context)

    def _publish(
        self,
        index: int,
        plan: ClipPlan,
        schedule: FrameSchedule,
        video: Path,
        copied: bool,
        survey: _Survey,
        audio: tuple[npt.NDArray[np.int16], float] | None,
        context: StageContext,
    ) -> CutClip:
        count, rate = len(schedule.source_indices), schedule.rate
        rows = schedule.source_indices
        notes = list(plan.notes)
        samples, padded = cut_audio(*(audio or (np.zeros(0, np.int16), 0.0)), schedule.start_seconds, count, rate)
        if audio is None:
            notes.append("the source has no sound: the WAV is silent")
        elif padded > rate.denominator * SAMPLE_RATE // rate.numerator:
            notes.append(f"{padded / SAMPLE_RATE:.2f} s without sound in the source are silent in the WAV")
        wav = context.scratch / f"clip_{index:03}.wav"
        write_wav(wav, samples)
        track = context.scratch / f"clip_{index:03}.face_track.npz"
        FaceTrack(
            boxes=plan.track.boxes[rows],
            scores=plan.track.scores[rows],
            repeated=schedule.repeated,
            source_indices=plan.first_frame + rows,
            source_times=survey.times[plan.first_frame + rows],
        ).save(track)
        repeated = int(schedule.repeated.sum())
        if repeated:
            notes.append(f"{repeated} of {count} frames repeat the one before: the source has no frame there")
        measurements: dict[str, Measurement] = {
            "stream_copy": copied,
            "repeated_frame_count": repeated,
            "face_found_fraction": round(float((plan.track.scores[rows] > 0).mean()), 4),
            "median_face_pixels": round(float(np.median(plan.track.sides[rows])), 1),
            "union_ratio": round(union_ratio(plan.track.boxes[rows]), 3),
            "other_face_count": plan.other_face_count,
            "has_audio": audio is not None,
            "silent_padding_seconds": round(padded / SAMPLE_RATE, 4),
        }
        size = survey.size if copied else tuple(side - side % 2 for side in survey.size)
        return CutClip(
            index=index,
            video=context.publish(video, f"clip_{index:03}.mp4", "video/mp4"),
            audio=context.publish(wav, f"clip_{index:03}.wav", "audio/wav"),
            face_track=context.publish(track, f"clip_{index:03}.face_track.npz", MEDIA_TYPE),
            frame_count=count,
            rate=str(rate),
            width=size[0],
            height=size[1],
            start_seconds=round(schedule.start_seconds, 6),
            measurements=measurements,
            notes=tuple(notes),
        )


def _no_clip_error(survey: _Survey, rejections: list[Rejection], ranges: Sequence[TimeRange]) -> RejectionError:
    if ranges and not rejections:
        wanted = ", ".join(map(_shown, ranges))
        return RangeOutsideError(f"no frame lies in {wanted}: the video {_extent(survey)}")
    faces = [rejection for rejection in rejections if rejection.reason != NoFaceError.reason]
    if faces:
        same = [rejection for rejection in faces if rejection.reason == faces[0].reason]
        error = from_rejection(max(same, key=lambda rejection: rejection.measure or 0))
        assert error is not None  # noqa: S101 - this stage made it of a verdict
        return error
    shots = f" of {counted(len(rejections), 'shot')}" if rejections else ""
    return NoFaceError(f"no face is seen in any{shots}, {len(survey.times)} frames in all")


def _shown(part: TimeRange) -> str:
    return f"{part.start_seconds:g} to {part.end_seconds:g} s"


def _extent(survey: _Survey) -> str:
    return f"goes from {survey.times[0]:.2f} to {survey.times[-1]:.2f} s"


def _source_notes(description: VideoDescription, survey: _Survey, ranges: Sequence[TimeRange]) -> list[str]:
    notes = [
        f"no frame lies in {_shown(part)}, which was asked for: the video {_extent(survey)}"
        for part in ranges
        if not holds_frame(survey.times, part)
    ]
    decoded = len(survey.times)
    if survey.damage:
        notes.append(f"damaged file: {survey.damage}; {decoded} frames are kept")
    elif description.frame_count > decoded + COUNT_TOLERANCE:
        notes.append(f"damaged file: the header says {description.frame_count} frames, {decoded} decode and are kept")
    if len(survey.shots) > 1:
        notes.append(f"{counted(len(survey.shots) - 1, 'scene cut')}: each shot is a clip of its own")
    return notes


def _can_copy(description: VideoDescription, survey: _Survey, plans: list[ClipPlan], rate: Fraction) -> bool:
    """Whether the source, as it is, is the one clip."""
    whole = len(plans) == 1 and plans[0].first_frame == 0 and plans[0].end_frame == len(survey.times)
    return (
        whole
        and survey.damage is None
        and description.rotation_degrees == 0
        and description.codec in COPIED_CODECS
        and constant_rate(survey.times, rate)
    )


def _copied(source: Path, target: Path, frame_count: int) -> bool:
    """Copy the coded stream and make sure that every frame is still there, in its colours; False where it is not."""
    try:
        copy_video(source, target)
        if not same_colours(source, target):
            return False
        # The same packets, one for each frame that decoded, decode to the same frames. A container that rewrites them,
        # and a damaged file, are decoded to make sure.
        return same_packets(source, target) == frame_count or sum(1 for _ in read_frames(target)) == frame_count
    except (av.FFmpegError, UnreadableVideoError):
        return False


def _encode(
    path: Path,
    plans: list[ClipPlan],
    schedules: list[FrameSchedule],
    videos: list[Path],
    size: tuple[int, int],
    total: int,
    context: StageContext,
) -> None:
    """Read the source once more and write each clip's frames, repeated where the schedule says so."""
    source = enumerate(read_frames(path, DecodeReport()))
    for plan, schedule, video in zip(plans, schedules, videos, strict=True):
        counts = np.bincount(schedule.source_indices, minlength=plan.end_frame - plan.first_frame)
        with clip_writer(video, schedule.rate) as writer:
            for index, frame in source:
                if index < plan.first_frame:
                    continue
                image = _at_least(np.ascontiguousarray(frame.image[: size[1], : size[0]]))
                for _ in range(counts[index - plan.first_frame]):
                    writer.write(image)
                context.advance(total + index + 1, total * 2)
                if index + 1 >= plan.end_frame:
                    break
        if writer.frame_count != len(schedule.source_indices):
            raise FrameContractError(
                f"{len(schedule.source_indices)} frames were planned for {video.name}, {writer.frame_count} were "
                "read: the source changed while it was read"
            )


def _at_least(image: Frame) -> Frame:
    if min(image.shape[:2]) < SMALLEST_CLIP_SIDE:
        raise NotAVideoError(
            f"frames of {image.shape[1]}x{image.shape[0]} pixels are too small; {SMALLEST_CLIP_SIDE} is the least"
        )
    return image
