"""Landmarks of turned heads, measured on pictures with known truth. `python -m benchmarks profiles`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf, radians
from pathlib import Path

import numpy as np

from benchmarks.quality import Figure
from benchmarks.scenes.render import Look, render
from benchmarks.scenes.scene import Scene, make_scene
from benchmarks.scenes.turned import TurnedFace
from talkmill.arrays import Float64Array, Frame
from talkmill.faces.detection import FaceDetector
from talkmill.geometry.conventions import REFERENCE_SIZE, rotation_from_euler
from talkmill.geometry.pyramid import Pyramid
from talkmill.landmarks.crops import crop_of, crop_transform
from talkmill.landmarks.detection import LandmarkDetector, Landmarks
from talkmill.landmarks.mesh import yaw
from talkmill.landmarks.points import INNER, OUTER_EYE_CORNERS
from talkmill.landmarks.validity import plausible
from talkmill.morphable.model import MorphableModel
from talkmill.video.decode import read_video

DEGREES = (0, 20, 40, 50, 55, 60, 65, 70, 75)
# The turn from which on the target holds, in degrees, and the target in percent of the outer-eye distance in front.
TURNED_DEGREES, LIMIT = 60, 6.0
# Frames among which the one is chosen that faces the camera most.
LOOKED_AT, EVERY = 100, 10
# Side of the picture over that of the face box.
MARGIN = 2.0
# A calmer head than that of a talking clip.
CALM = 0.7


@dataclass(frozen=True, slots=True)
class Reading:
    """What is measured of a picture.

    Attributes:
        degrees: Turn of the head.
        valid: Whether the landmarks stage would call the frame valid.
        error: Mean error of the inner points, percent of the outer-eye distance of the head in front.
    """

    degrees: int
    valid: bool
    error: float


@dataclass(frozen=True, slots=True)
class ProfileReader:
    """Reads turned heads as the pipeline does.

    Attributes:
        faces: The face detector.
        landmarks: The landmark detector.
    """

    faces: FaceDetector
    landmarks: LandmarkDetector

    def measure(self, picture: Frame, degrees: int, truth: Float64Array, eye_distance: float) -> Reading:
        """Measure the landmarks of the largest face.

        Args:
            picture: RGB, (H, W, 3) uint8.
            degrees: Turn of the head.
            truth: (68, 2) pixels.
            eye_distance: Outer-eye distance of the head in front, in pixels.
        """
        found = self.largest(picture)
        if found is None:
            return Reading(degrees, False, inf)
        box, landmarks = found
        valid = plausible(landmarks.points[None], landmarks.confidence[None], box[None])[0]
        error = np.linalg.norm(landmarks.points - truth, axis=1)[INNER].mean() / eye_distance
        return Reading(degrees, bool(valid), 100 * float(error))

    def largest(self, picture: Frame) -> tuple[np.ndarray, Landmarks] | None:
        """Return box and landmarks of the largest face, or None where no face is seen."""
        boxes = self.faces.detect(picture).boxes
        if not len(boxes):
            return None
        box = boxes[np.argmax(boxes[:, 2] - boxes[:, 0])]
        return box, self.landmarks.detect(picture, box)

    def frontal_face(self, video: Path, model: MorphableModel) -> TurnedFace:
        """Return the face of the frame that looks into the camera most.

        Raises:
            ValueError: No face is seen, or the landmark detector has no mesh to tell the turn by.
        """
        best: tuple[float, Frame, np.ndarray] | None = None
        for frame in islice(read_video(video), 0, LOOKED_AT, EVERY):
            found = self.largest(frame)
            if found is None or found[1].mesh is None:
                continue
            turn = abs(yaw(found[1].mesh.vertices))
            if best is None or turn < best[0]:
                best = (turn, frame, found[0])
        if best is None:
            raise ValueError(f"no face mesh in the first {LOOKED_AT} frames of {video.name}")
        _, frame, box = best
        side = MARGIN * float((box[2:] - box[:2]).max())
        crop = crop_transform((box[:2] + box[2:]) / 2, side, 0.0, REFERENCE_SIZE)
        picture = crop_of(Pyramid(frame), crop, REFERENCE_SIZE)
        front = self.largest(picture)
        if front is None:
            raise ValueError(f"the face of {video.name} is not seen in its crop")
        return TurnedFace.of(picture, front[1].points, front[1].confidence, model)


def turned_faces(reader: ProfileReader, face: TurnedFace, degrees: Sequence[int] = DEGREES) -> Iterator[Reading]:
    """Yield readings of a real face, turned to both sides.

    The truth is what the detector says in front, carried by the head: the error is what the turn adds.
    """
    for turn in both_sides(degrees):
        picture = face.draw(radians(turn))
        yield reader.measure(picture, turn, face.truth(radians(turn)), face.eye_distance)


def drawn_heads(
    reader: ProfileReader, model: MorphableModel, seed: int, degrees: Sequence[int] = DEGREES
) -> Iterator[Reading]:
    """Yield readings of a drawn head, turned to both sides. The truth is the head's own landmarks."""
    turns = both_sides(degrees)
    scene = posed(make_scene(model, 1, seed), turns, seed)
    truth = scene.landmarks(0.0, seed)
    rows = model.landmark_rows(scene.vertices(0).astype(np.float32))
    right, left = rows[list(OUTER_EYE_CORNERS)]
    eyes = float(np.linalg.norm(right - left)) * scene.focal / -float(scene.translation[0, 2])
    for index, picture in enumerate(render(scene, Look(seed=seed))):
        yield reader.measure(picture, turns[index], truth[index], eyes)


def posed(scene: Scene, turns: Sequence[int], seed: int) -> Scene:
    """Return the head of a scene's first frame in the middle of the picture, turned; pitch and roll are drawn once."""
    pitch, roll = np.random.default_rng(seed).normal(0, 0.1, 2)
    euler = np.array([[pitch, radians(turn), roll] for turn in turns])
    return replace(
        scene,
        identity=CALM * scene.identity,
        expression=np.repeat(CALM * scene.expression[:1], len(turns), axis=0),
        rotation=rotation_from_euler(euler),
        translation=np.repeat(scene.translation[:1] * [0, 0, 1], len(turns), axis=0),
    )


def both_sides(degrees: Sequence[int]) -> list[int]:
    """Return turns to either side, 0 once."""
    return sorted({side * turn for turn in degrees for side in (-1, 1)})


def measure_profiles(
    reader: ProfileReader,
    videos: Sequence[Path],
    models: Sequence[MorphableModel],
    seeds: int,
    report: Callable[[str], None],
) -> list[Figure]:
    """Measure both kinds of heads.

    Args:
        reader: What reads them.
        videos: Each with one person who looks into the camera at some time in its first frames.
        models: Heads; the first carries the real faces, all are drawn.
        seeds: Drawn heads of each.
        report: Called with a line when a head begins.
    """
    real: list[Reading] = []
    for video in videos:
        report(f"turning the face of {video.name}")
        real += turned_faces(reader, reader.frontal_face(video, models[0]))
    drawn: list[Reading] = []
    for model in models:
        for seed in range(seeds):
            report(f"drawing {model.name}, head {seed}")
            drawn += drawn_heads(reader, model, seed)
    return figures_of("real faces turned", real) + figures_of("drawn heads", drawn)


def figures_of(kind: str, readings: Sequence[Reading]) -> list[Figure]:
    """Return for each turn how many frames are valid and their mean and largest error."""
    figures = []
    for turn in sorted({abs(reading.degrees) for reading in readings}):
        those = [reading for reading in readings if abs(reading.degrees) == turn]
        errors = [reading.error for reading in those if reading.valid]
        figures.append(Figure(f"{kind}, {turn} degrees: valid of {len(those)} frames", len(errors), "reported", True))
        if not errors:
            continue
        what = f"{kind}, {turn} degrees: error of the inner points where valid, % of the eye distance in front"
        figures.append(Figure(f"{what}, mean", float(np.mean(errors)), "reported", True))
        held = turn >= TURNED_DEGREES
        reached = not held or max(errors) < LIMIT
        figures.append(Figure(f"{what}, largest", max(errors), f"< {LIMIT:g}" if held else "reported", reached))
    return figures
