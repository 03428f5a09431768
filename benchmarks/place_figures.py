"""What places on a head are found on and measured by: clips of a finished run. `python -m benchmarks places`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.places import MeasuredClip, Places
from benchmarks.quality import Figure
from talkmill.arrays import Float64Array
from talkmill.dataset.reader import Dataset
from talkmill.fitting.projection import LandmarkBasis
from talkmill.fitting.report import report_frames
from talkmill.geometry.conventions import REFERENCE_SIZE, euler_from_rotation
from talkmill.landmarks.eyes import OPEN_QUANTILE, SHUT_SHARE
from talkmill.landmarks.points import INNER, outer_eye_distance
from talkmill.morphable.landmark_points import landmark_table
from talkmill.morphable.model import MorphableModel
from talkmill.pipeline.finished import WorkFolder, finished_clip
from talkmill.stages.fine_fit.messages import FineFitParameters
from talkmill.stages.records import ClipLandmarks
from talkmill.video.stretches import stretches_of

# Shorter clips tell little of how a face moves.
LEAST_FRAMES = 50
# Upper and lower points of lids and of the inner lips.
LIDS, LIPS = ((37, 38, 43, 44), (41, 40, 47, 46)), ((61, 62, 63), (67, 66, 65))
# Lips are shut where they are seen nearer than this, in percent of the outer-eye distance.
SHUT_LIPS = 1.5


def read_clips(run: Path) -> dict[str, MeasuredClip]:
    """Read the landmarks of a finished run's clips by name."""
    dataset = Dataset(run)
    work, found = WorkFolder.of(dataset.folder), {}
    for name in dataset:
        clip = finished_clip(dataset, name)
        landmarks = ClipLandmarks.load(work.files(clip, ["landmarks"])["landmarks"])
        if len(landmarks.valid) < LEAST_FRAMES:
            continue
        points = (landmarks.points.astype(np.float64) + 0.5) * (REFERENCE_SIZE / clip.size) - 0.5
        trust = np.where(landmarks.valid[:, None], landmarks.confidence, 0).astype(np.float64)
        found[name] = MeasuredClip(points, trust, float(clip.rate))
    return found


def compare_places(
    clips: Mapping[str, MeasuredClip], model: MorphableModel, places: Places, say: Callable[[str], None]
) -> list[Figure]:
    """Fit clips with the model's places and with others.

    Args:
        clips: Best such that no place was found on.
        model: The head with its places.
        places: The others.
        say: Called with a line of figures for each clip.
    """
    models = {"now": model, "found": places.put_into(model)}
    figures: dict[str, list[dict[str, float]]] = {which: [] for which in models}
    for name, clip in clips.items():
        for which, head in models.items():
            figures[which].append(_measure(clip, head))
            say(f"{name}, {which}: " + ", ".join(f"{what} {value:.3g}" for what, value in figures[which][-1].items()))
    medians = {
        f"{what}, median of {len(clips)} clips, {which}": float(np.nanmedian([row[what] for row in rows]))
        for what in figures["now"][0]
        for which, rows in figures.items()
    }
    return [Figure(what, value, "reported", True) for what, value in medians.items()]


def write_places(places: Places, mesh: str, published: npt.NDArray[np.int32], target: Path) -> None:
    """Write a mesh's table of landmarks with other inner points.

    Args:
        places: Where the points lie.
        mesh: `makehuman` or `ict`.
        published: (V,) number of each vertex in the published mesh.
        target: The file to write.
    """
    table = json.loads(landmark_table(mesh))
    rows = zip(places.corners[INNER], places.shares[INNER], strict=True)
    table["points"][INNER] = [
        [published[corners].tolist(), [round(float(share), 4) for share in shares]] for corners, shares in rows
    ]
    points = ",\n".join(f"    {json.dumps(point)}" for point in table.pop("points"))
    head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in table.items())
    target.write_text(f'{{\n{head}  "points": [\n{points}\n  ]\n}}\n')


def _measure(clip: MeasuredClip, model: MorphableModel) -> dict[str, float]:
    observed, fit = clip.fitted(model)
    limit = FineFitParameters().max_reprojection_pixels
    frames = report_frames(fit, LandmarkBasis.of(model), observed.landmarks, REFERENCE_SIZE, limit)
    measured = fit.measured
    seen, fitted = observed.landmarks[measured], fit.points[measured]
    shut = _apart(seen, LIPS) < SHUT_LIPS
    return {
        "inner RMS, pixels": frames.rms(inner=True),
        "RMS of all, pixels": frames.rms(inner=False),
        "valid share": float(frames.valid.mean()),
        "lid closures seen": _closures(seen),
        "lid closures of the head": _closures(fitted),
        "least lids seen, %": float(_apart(seen, LIDS).min()),
        "least lids of the head, %": float(_apart(fitted, LIDS).min()),
        "lips of the head where shut, %": float(np.median(_apart(fitted, LIPS)[shut])) if shut.any() else np.nan,
        "pitch, degrees": float(np.degrees(euler_from_rotation(fit.state.pose.rotation)[measured, 0]).mean()),
        "focal length, pixels": fit.state.focal,
        "identity norm": float(np.linalg.norm(fit.state.identity)),
        "expression RMS": float(np.sqrt((fit.state.expression**2).mean())),
        "jitter, pixels": float(frames.jitter[1:-1].mean()),
    }


def _apart(points: Float64Array, pairs: tuple[tuple[int, ...], tuple[int, ...]]) -> Float64Array:
    """Return the mean distance of pairs in percent of the outer-eye distance, (N, 68, 2) to (N,)."""
    upper, lower = (points[:, list(side)] for side in pairs)
    return np.asarray(100 * np.linalg.norm(upper - lower, axis=-1).mean(1) / outer_eye_distance(points))


def _closures(points: Float64Array) -> int:
    lids = _apart(points, LIDS)
    return len(stretches_of(np.asarray(lids < SHUT_SHARE * np.quantile(lids, OPEN_QUANTILE))))
