"""Draws coordinates.png: `python docs/images/coordinates.py`. The heads are drawn by the project's own camera."""

from pathlib import Path

import cv2
import numpy as np

from talkmill.fitting.overlay import draw_mesh
from talkmill.geometry.conventions import principal_point, project, rotation_from_euler
from talkmill.models.repository import ModelRepository
from talkmill.morphable.model import MorphableModel
from talkmill.pipeline.settings import Settings

SIDE, FOCAL, DISTANCE = 380, 720.0, -7.0
WHITE, INK = (255, 255, 255), (40, 40, 40)
COLOURS = {"x": (200, 40, 40), "y": (20, 140, 50), "z": (40, 70, 210)}


def panel(model: MorphableModel, euler: tuple[float, float, float], title: str) -> np.ndarray:
    """A head at a turn, with the axes of its own frame."""
    image = np.full((SIDE, SIDE, 3), WHITE, np.uint8)
    rotation, translation = rotation_from_euler(np.array(euler)), np.array([0.0, -0.3, DISTANCE])
    vertices = model.mean.astype(np.float64)
    image = draw_mesh(image, model, vertices, rotation, translation, FOCAL, principal_point(SIDE))
    for axis, direction in zip("xyz", np.eye(3), strict=True):
        ends = np.stack([np.zeros(3), 1.35 * direction])
        begin, end = project(ends, rotation, translation, FOCAL, principal_point(SIDE))
        arrow(image, begin, end, COLOURS[axis])
        write(image, f"+{axis}", end + [6, -4], COLOURS[axis])
    write(image, title, (10, 22), INK)
    return image


def side_view() -> np.ndarray:
    """Camera and head from the side: the camera looks along -z."""
    image = np.full((SIDE, SIDE * 4, 3), WHITE, np.uint8)
    eye, head = np.array([190, 200]), np.array([1090, 200])
    cv2.fillPoly(image, [np.array([[190, 200], [150, 172], [150, 228]], np.int32)], INK, cv2.LINE_AA)
    cv2.ellipse(image, head.tolist(), (72, 100), 0, 0, 360, (190, 190, 190), -1, cv2.LINE_AA)
    cv2.fillPoly(image, [np.array([[1022, 190], [1000, 222], [1024, 226]], np.int32)], (190, 190, 190), cv2.LINE_AA)
    arrow(image, eye, eye - [0, 110], COLOURS["y"])
    write(image, "+y", eye + [8, -106], COLOURS["y"])
    arrow(image, eye, eye - [120, 0], COLOURS["z"])
    write(image, "+z of the camera", eye + [-180, 30], COLOURS["z"])
    arrow(image, head, head - [150, 0], COLOURS["z"])
    write(image, "+z of the head", head + [-250, 34], COLOURS["z"])
    arrow(image, head, head - [0, 150], COLOURS["y"])
    write(image, "+y", head + [10, -140], COLOURS["y"])
    cv2.line(image, (430, 80), (430, 320), INK, 2, cv2.LINE_AA)
    write(image, "picture: x right, y down,", (446, 300), INK)
    write(image, "centre (size - 1) / 2", (446, 322), INK)
    write(image, "f pixels", (270, 248), INK)
    arrow(image, np.array([300, 260]), np.array([196, 260]), INK)
    arrow(image, np.array([300, 260]), np.array([426, 260]), INK)
    arrow(image, np.array([190, 344]), np.array([1088, 344]), INK)
    write(image, "t = (t.x, t.y, t.z), t.z between -5 and -9 (50 to 90 cm)", (620, 366), INK)
    for target in ((1060, 120), (1060, 280)):
        cv2.line(image, eye.tolist(), target, (170, 170, 170), 1, cv2.LINE_AA)
    write(
        image, "The camera looks along -z:  p = R v + t,  x = cx - f p.x / p.z,  y = cy + f p.y / p.z", (330, 28), INK
    )
    return image


def arrow(image: np.ndarray, begin: np.ndarray, end: np.ndarray, colour: tuple[int, int, int]) -> None:
    points = [tuple(int(value) for value in np.rint(point)) for point in (begin, end)]
    length = max(1.0, float(np.hypot(*(np.asarray(end) - begin))))
    cv2.arrowedLine(image, *points, colour, 2, cv2.LINE_AA, tipLength=min(0.4, 11 / length))


def write(image: np.ndarray, text: str, place: object, colour: tuple[int, int, int]) -> None:
    x, y = (int(value) for value in place)
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.55, colour, 1, cv2.LINE_AA)


def main() -> None:
    settings = Settings()
    models = ModelRepository(settings.models.directory, settings.models.mirror)
    model = MorphableModel.load(models.ensure("makehuman-head", "morphable").path)
    turns = [
        ((0.0, 0.0, 0.0), "R = 1"),
        ((0.4, 0.0, 0.0), "theta = +0.4: the face goes down"),
        ((0.0, 0.4, 0.0), "phi = +0.4: to the subject's left"),
        ((0.0, 0.0, 0.4), "psi = +0.4: clockwise in the picture"),
    ]
    heads = np.concatenate([panel(model, euler, title) for euler, title in turns], axis=1)
    picture = np.concatenate([side_view(), heads])
    cv2.imwrite(str(Path(__file__).with_suffix(".png")), picture[..., ::-1])


if __name__ == "__main__":
    main()
