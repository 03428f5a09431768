"""The sample clip: a talking head with known truth, made from a public-domain portrait.

`python -m talkmill.sample FILE.mp4` writes it. The portrait of astronaut Eileen Collins (NASA, public domain) of
the scikit-image package moves by a known similarity, its mouth opens by a known warp, its background is replaced, and
the sound clicks at known samples. It serves as a demo and as a test; it is no truth for mattes.
"""

import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from talkmill.arrays import Frame
from talkmill.video.encode import compatible_writer

RATE, SECONDS, WIDTH, HEIGHT = 25, 4, 1280, 720
FRAME_COUNT = RATE * SECONDS
AUDIO_RATE = 48_000
CLICK_SECONDS = (0.5, 1.5, 2.5, 3.5)
# The mouth in the portrait, pixels: centre and half the width (found by eye).
MOUTH_CENTRE, MOUTH_HALF_WIDTH = (222.5, 145.5), 20.0
MOUTH_HERTZ = 2.0
# Pixels of the portrait that the lips part at most.
MOUTH_OPENING = 8.0
# Size of the portrait in the frame, and the middle of its face.
SCALE, FACE_CENTRE = 1.5, (222.0, 115.0)
# Outline of the person in the portrait, by eye.
OUTLINE = (
    (155, 75), (165, 45), (195, 20), (230, 14), (265, 25), (292, 50), (301, 85), (292, 120), (270, 136), (260, 165),
    (280, 190), (300, 222), (330, 248), (350, 290), (362, 345), (400, 343), (450, 360), (485, 410), (498, 470),
    (500, 511), (22, 511), (18, 420), (30, 330), (50, 265), (90, 225), (118, 200), (122, 178), (145, 156),
    (184, 146), (180, 128), (165, 118), (155, 100),
)  # fmt: skip
OUTLINE_TOLERANCE = 6


@dataclass(frozen=True, slots=True)
class SampleTruth:
    """What is known of the sample.

    Attributes:
        frame_from_portrait: (N, 3, 3) similarity of each frame.
        mouth_opening: (N,) 0 closed to 1 open.
        click_seconds: Times of the clicks.
    """

    frame_from_portrait: npt.NDArray[np.float64]
    mouth_opening: npt.NDArray[np.float64]
    click_seconds: tuple[float, ...]


def sample_truth() -> SampleTruth:
    """Return the motion of the sample."""
    time = np.arange(FRAME_COUNT) / RATE
    angle = np.radians(4.0) * np.sin(2 * np.pi * 0.5 * time)
    scale = SCALE * (1 + 0.04 * np.sin(2 * np.pi * 0.25 * time))
    matrices = np.tile(np.eye(3), (FRAME_COUNT, 1, 1))
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale * np.cos(angle)
    matrices[:, 1, 0] = scale * np.sin(angle)
    matrices[:, 0, 1] = -matrices[:, 1, 0]
    # The middle of the portrait's face goes round the middle of the frame.
    target = np.stack(
        [
            WIDTH / 2 + 18 * np.sin(2 * np.pi * 0.4 * time),
            0.42 * HEIGHT + 10 * np.cos(2 * np.pi * 0.3 * time),
        ],
        1,
    )
    face = np.array(FACE_CENTRE)
    matrices[:, :2, 2] = target - np.einsum("nij,j->ni", matrices[:, :2, :2], face)
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * MOUTH_HERTZ * time)
    return SampleTruth(matrices, opening, CLICK_SECONDS)


def write_sample(path: Path) -> SampleTruth:
    """Write the sample.

    Args:
        path: The .mp4.

    Returns:
        What is known of it.
    """
    from skimage.data import astronaut

    truth = sample_truth()
    portrait = np.asarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    person = _person_mask(portrait)
    background = _background()
    silent = path.with_name(f".{path.name}.silent.mp4")
    with compatible_writer(silent, Fraction(RATE)) as writer:
        for matrix, opening in zip(truth.frame_from_portrait, truth.mouth_opening, strict=True):
            writer.write(_compose(_open_mouth(portrait, opening), person, background, matrix))
    _add_sound(silent, path, _clicks(truth))
    silent.unlink()
    return truth


def _person_mask(portrait: Frame) -> npt.NDArray[np.float32]:
    """Cut the person out with GrabCut, near a rough outline; soft edge, (H, W) in [0, 1]."""
    inside = np.zeros(portrait.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.array(OUTLINE, np.int32)], 1)
    margin = np.ones((2 * OUTLINE_TOLERANCE + 1, 2 * OUTLINE_TOLERANCE + 1), np.uint8)
    mask = np.full(portrait.shape[:2], cv2.GC_BGD, np.uint8)
    mask[cv2.dilate(inside, margin) > 0] = cv2.GC_PR_FGD
    mask[cv2.erode(inside, margin, borderValue=1) > 0] = cv2.GC_FGD
    models = np.zeros((2, 1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR), mask, None, models[0], models[1], 6, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(person)
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA])) if count > 1 else 0
    solid = cv2.morphologyEx((labels == largest).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    return np.asarray(cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 1.2))


def _open_mouth(portrait: Frame, opening: float) -> Frame:
    """Pull the lower lip and chin down and show dark between the lips."""
    height, width = portrait.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = np.clip(1 - ((x - MOUTH_CENTRE[0]) / MOUTH_HALF_WIDTH) ** 2, 0, 1)
    below = (y - MOUTH_CENTRE[1]) / 50
    gap = MOUTH_OPENING * opening * across
    reach = np.clip(1 - below, 0, 1) ** 2
    shift = np.where(y > MOUTH_CENTRE[1], gap * reach, 0).astype(np.float32)
    moved = cv2.remap(
        portrait,
        x,
        np.maximum(y - shift, MOUTH_CENTRE[1] * (y > MOUTH_CENTRE[1])).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    inside = np.clip(np.minimum(y - MOUTH_CENTRE[1], MOUTH_CENTRE[1] + gap - y), 0, 1)[..., None]
    inside = cv2.GaussianBlur(inside[..., 0], (0, 0), 0.7)[..., None]
    return _bytes(moved * (1 - inside) + np.array([60, 20, 20], np.float32) * inside)


def _background() -> Frame:
    """A plain studio wall, lit from the left."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = 0.85 - 0.35 * (x / WIDTH) - 0.1 * (y / HEIGHT)
    return _bytes(np.array([120, 150, 165], np.float32) * light[..., None])


def _compose(
    portrait: Frame, person: npt.NDArray[np.float32], background: Frame, matrix: npt.NDArray[np.float64]
) -> Frame:
    size = (WIDTH, HEIGHT)
    # Below its lower edge the portrait goes on with its last row.
    image = cv2.warpAffine(portrait, matrix[:2], size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(person, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _bytes(image * cover[..., None] + background * (1 - cover[..., None]))


def _bytes(image: npt.NDArray[np.floating]) -> Frame:
    return np.asarray(np.rint(image), np.uint8)


def _clicks(truth: SampleTruth) -> npt.NDArray[np.int16]:
    """A hum that follows the mouth, and clicks."""
    time = np.arange(SECONDS * AUDIO_RATE) / AUDIO_RATE
    loudness = np.interp(time, np.arange(FRAME_COUNT) / RATE, truth.mouth_opening)
    wave = 0.05 * loudness * np.sin(2 * np.pi * 180 * time)
    for click in truth.click_seconds:
        start = round(click * AUDIO_RATE)
        length = AUDIO_RATE // 200
        wave[start : start + length] += 0.8 * np.sin(2 * np.pi * 2000 * time[:length]) * np.linspace(1, 0, length)
    return np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)


def _add_sound(video: Path, target: Path, samples: npt.NDArray[np.int16]) -> None:
    with av.open(str(video)) as source, av.open(str(target), "w") as output:
        picture = source.streams.video[0]
        copied = output.add_stream_from_template(picture)
        sound = output.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        for packet in source.demux(picture):
            if packet.dts is not None:
                packet.stream = copied
                output.mux(packet)
        for begin in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], format="s16", layout="mono")
            frame.sample_rate, frame.pts = AUDIO_RATE, begin
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m talkmill.sample FILE.mp4")
    try:
        write_sample(Path(sys.argv[1]))
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: the sample's portrait comes with scikit-image; pip install 'talkmill[sample]'")
