"""The quality targets, measured on a finished run of the test videos. `python -m benchmarks quality`."""

import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks

from talkmill.dataset.reader import Dataset
from talkmill.faces.crop_box import head_region, square_in_frame
from talkmill.faces.detection import FaceBoxesDetector
from talkmill.inference.runtime import cpu_runtime
from talkmill.landmarks.detection import LandmarkDetector
from talkmill.landmarks.points import INNER, outer_eye_distance
from talkmill.landmarks.smoothing import jitter, smooth_over_time
from talkmill.matting.recurrent import RecurrentMatter
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.models.repository import ModelRepository
from talkmill.pipeline.finished import FinishedClip, WorkFolder, finished_clip
from talkmill.region import Region
from talkmill.sound.audio import SAMPLE_RATE
from talkmill.stages.landmarks.messages import LandmarksParameters
from talkmill.stages.landmarks.stage import DETECTORS
from talkmill.stages.records import FaceTrack
from talkmill.video.clip import read_clip
from talkmill.video.decode import read_grey_frames, read_video
from talkmill.video.frame_table import FrameTable
from talkmill.video.packets import index_packets

# Clips that show one person all the time; the rest of the test videos are hard on purpose.
NOT_SINGLE = ("3ddfa_obama", "facerec_short_hamilton_clip", "liveportrait_s13")
# Margin of the crops, the default of `talkmill run`.
INCREASE_AREA = 0.2
# Regions of otavatar_example.mp4: rows, columns.
REGIONS = {"flag": np.s_[480:1060, 200:560], "tree": np.s_[100:1000, 1600:1900], "torso": np.s_[420:700, 850:1150]}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        what: What was measured, and where.
        value: The figure.
        target: What it should be.
        reached: Whether it is.
    """

    what: str
    value: float
    target: str
    reached: bool


def below(what: str, value: float, limit: float) -> Figure:
    """Return a figure that must be under a bound."""
    return Figure(what, value, f"< {limit:g}", value < limit)


def at_most(what: str, value: float, limit: float) -> Figure:
    """Return a figure that must not pass a bound."""
    return Figure(what, value, f"<= {limit:g}", value <= limit)


def at_least(what: str, value: float, limit: float) -> Figure:
    """Return a figure that must reach a bound."""
    return Figure(what, value, f">= {limit:g}", value >= limit)


def measure_quality(
    run: Path,
    images: Path | None,
    still_clip: Path | None,
    models: ModelRepository,
    threads: int,
    say: Callable[[str], None],
) -> list[Figure]:
    """Measure every figure of quality.

    Args:
        run: Folder of a finished run over the test videos, with its `work`.
        images: Folder of labelled photographs (.pts beside each); None to leave them out.
        still_clip: A nearly still clip at its native rate; None to leave the jitter out.
        models: The default models; rvm-mobilenetv3 is used where it is fetched.
        threads: Threads of the networks.
        say: Called with a line as each clip is done.

    Returns:
        The figures.
    """
    dataset = Dataset(run)
    work = WorkFolder.of(dataset.folder)
    figures: list[Figure] = []
    differences: dict[str, float] = {}
    rvm_model = models.installed("rvm-mobilenetv3")
    rvm = cpu_runtime(threads).load(rvm_model.path, "rvm-mobilenetv3") if rvm_model else None
    for name in dataset:
        clip = finished_clip(dataset, name)
        files = work.files(clip)
        found = _measure_clip(clip, files, dataset, run / "audio" / f"{name}.wav")
        if rvm is not None:
            differences[clip.name] = _difference_to(RecurrentMatter(rvm), clip, files)
        say(f"{clip.name}: " + ", ".join(f"{figure.what.split(': ')[-1]} {figure.value:.4g}" for figure in found))
        figures += found
    if differences:
        figures.append(below("mean difference of alpha to RVM", float(np.mean(list(differences.values()))), 0.0112))
        worst = max(differences, key=lambda name: differences[name])
        figures.append(below(f"worst difference of alpha to RVM ({worst})", differences[worst], 0.02))
        say(f"difference to RVM: { ({name: round(value, 4) for name, value in differences.items()}) }")
    if images is not None:
        figures += _measure_images(images, models, threads)
    if still_clip is not None:
        figures += _measure_jitter(still_clip, models, threads)
    return figures


def _measure_clip(clip: FinishedClip, files: dict[str, Path], dataset: Dataset, audio: Path) -> list[Figure]:
    stages = clip.measurements
    values = dataset[clip.name]
    frames = sum(1 for _ in read_clip(files["video"], FrameTable.load(files["frame_table"])))
    with wave.open(str(audio)) as sound:
        samples = sound.getnframes()
    expected = round(frames / clip.rate * SAMPLE_RATE)
    figures = [
        below(f"{clip.name}: frames that differ between clip and LMDB", abs(values.entry.frame_count - frames), 1),
        below(f"{clip.name}: samples that differ between sound and frames", abs(samples - expected), 1),
        below(f"{clip.name}: flicker", stages["matting"]["flicker"] or 0.0, 0.0003),
    ]
    if not clip.name.startswith(NOT_SINGLE):
        figures += [
            at_least(f"{clip.name}: valid frames", float(values.arrays.valid.mean()), 0.99),
            at_least(f"{clip.name}: sharpness of the face", stages["crop"]["sharpness_ratio"], 0.9),
        ]
    if clip.name.startswith("otavatar_example"):
        figures += _measure_regions(clip, files["alpha"])
        figures += [
            below(f"{clip.name}: reprojection RMS inner", stages["fine_fit"]["reprojection_rms_inner_pixels"], 2.5),
            below(f"{clip.name}: reprojection RMS all", stages["fine_fit"]["reprojection_rms_pixels"], 4.0),
        ]
    return figures


def _measure_regions(clip: FinishedClip, matte: Path) -> list[Figure]:
    """Measure the regions that alpha is stored for: they need a run with `--full-alpha`."""
    part = clip.alpha_region
    stored = {name: region for name, region in REGIONS.items() if _holds(part, region)}
    sums, count = dict.fromkeys(stored, 0.0), 0
    for alpha in read_grey_frames(matte):
        for name, (rows, columns) in stored.items():
            inside = alpha[rows.start - part.y : rows.stop - part.y, columns.start - part.x : columns.stop - part.x]
            sums[name] += float(inside.mean()) / 255
        count += 1
    figures = []
    for name, total in sums.items():
        what = f"{clip.name}: alpha on the {name}"
        figures.append(at_least(what, total / count, 0.97) if name == "torso" else below(what, total / count, 0.05))
    return figures


def _holds(part: Region, region: tuple[slice, slice]) -> bool:
    rows, columns = region
    beyond = (part.x > columns.start, part.y > rows.start)
    return not any((*beyond, columns.stop > part.x + part.width, rows.stop > part.y + part.height))


def _difference_to(yardstick: RecurrentMatter, clip: FinishedClip, files: dict[str, Path]) -> float:
    """Mean difference of alpha in the crop's square, as far as it lies in the frame."""
    boxes, part = FaceTrack.load(files["face_track"]).boxes, clip.alpha_region
    table = FrameTable.load(files["frame_table"])
    width, height = table.format.upright_size
    square = square_in_frame(head_region(boxes, INCREASE_AREA), width, height)
    x1, y1 = square.x0 + square.side, square.y0 + square.side
    crop = Region.inside(square.x0, square.y0, x1, y1, width, height)
    inner = Region(crop.x - part.x, crop.y - part.y, crop.width, crop.height).slices
    total = 0.0
    theirs = yardstick.mattes(read_clip(files["video"], table), boxes, crop, crop)
    for alpha, (_, other) in zip(read_grey_frames(files["alpha"]), theirs, strict=True):
        total += float(np.abs(alpha[inner].astype(np.float32) / 255 - other).mean())
    return total / len(boxes)


def _detectors(models: ModelRepository, threads: int) -> tuple[FaceBoxesDetector, LandmarkDetector]:
    runtime = cpu_runtime(threads)
    detector = models.ensure(DEFAULT_MODELS.detector, "face_detection")
    names, landmark_detector = DETECTORS[DEFAULT_MODELS.landmarks]
    networks = [runtime.load(models.ensure(name, "landmarks").path, name) for name in names]
    return FaceBoxesDetector(runtime.load(detector.path, detector.version.id)), landmark_detector(*networks)


def read_pts(path: Path) -> npt.NDArray[np.float64]:
    """Read iBUG's .pts, whose pixels begin at 1, as pixels with centres at integers from 0; (68, 2)."""
    body = path.read_text().split("{")[1].split("}")[0]
    return np.array([[float(value) for value in line.split()] for line in body.strip().splitlines()]) - 1


def _measure_images(folder: Path, models: ModelRepository, threads: int) -> list[Figure]:
    faces, landmarks = _detectors(models, threads)
    errors = []
    for label in sorted(folder.glob("*.pts")):
        truth = read_pts(label)
        image_path = next(path for path in folder.glob(f"{label.stem}.*") if path.suffix != ".pts")
        image = np.asarray(cv2.cvtColor(cv2.imread(str(image_path)), cv2.COLOR_BGR2RGB))
        centre = truth.mean(0)
        boxes = faces.detect(image).boxes
        inside = [box for box in boxes if (box[:2] < centre).all() and (centre < box[2:]).all()]
        points = landmarks.detect(image, inside[0]).points
        errors.append(np.linalg.norm(points - truth, axis=1) / outer_eye_distance(truth) * 100)
    table = np.array(errors)
    return [
        at_most("landmark error on labelled images, all points, % of the outer-eye distance", float(table.mean()), 7.1),
        at_most("landmark error on labelled images, inner points, %", float(table[:, INNER].mean()), 4.8),
    ]


def _measure_jitter(path: Path, models: ModelRepository, threads: int) -> list[Figure]:
    faces, landmarks = _detectors(models, threads)
    times = np.sort(index_packets(path).times)
    rate = (len(times) - 1) / float(np.ptp(times))
    found = [landmarks.detect(frame, faces.detect(frame).boxes[0]) for frame in read_video(path)]
    raw = np.stack([item.points for item in found])
    weights = np.repeat(np.stack([item.confidence for item in found])[..., None], 2, axis=2)
    cutoff = LandmarksParameters().cutoff_hertz
    smooth = smooth_over_time(raw, weights, rate, cutoff)
    eyes = float(np.median(outer_eye_distance(smooth)))
    sine = np.sin(2 * np.pi * 3 * np.arange(len(raw)) / rate)[:, None, None] * np.full((1, 68, 2), 0.05 * eyes)
    moved = smooth_over_time(raw + sine, weights, rate, cutoff) - smooth
    kept = float((moved * sine).sum() / (sine * sine).sum())
    opening, smoothed = (np.linalg.norm(points[:, 62] - points[:, 66], axis=1) for points in (raw, smooth))
    peaks, _ = find_peaks(opening, prominence=0.1 * opening.max())
    ratios = [smoothed[max(0, peak - 1) : peak + 2].max() / opening[peak] for peak in peaks]
    return [
        below(
            "jitter of the still clip, % of the outer-eye distance",
            float(jitter(smooth)[:, INNER].mean()) / eyes * 100,
            0.3,
        ),
        at_least("amplitude of a 3 Hz sine that is kept", kept, 0.95),
        at_least(f"mouth openings, mean of {len(ratios)} peaks", float(np.mean(ratios)), 0.9),
        at_least("mouth openings, least of the peaks", float(np.min(ratios)), 0.9),
    ]
