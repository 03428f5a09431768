"""How many jump cuts are found, and how many are seen where there is none. `python -m benchmarks continuity`."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np

from benchmarks.quality import Figure, at_least, below
from talkmill.arrays import Frame
from talkmill.faces.detection import FaceDetector
from talkmill.faces.finder import FaceFinder
from talkmill.faces.tracking import choose_people, track_faces
from talkmill.stages.split.messages import SplitParameters
from talkmill.stages.split.survey import Survey, survey_source
from talkmill.video.packets import index_packets
from talkmill.video.scan import read_pictures

# Seconds that a jump cut leaves out, as editors cut pauses and slips.
LEFT_OUT = (0.4, 2.0)
# Where the editor hides the cut by another framing, the picture grows by so much.
REFRAMED = 1.1
# Seconds before and after a cut that are shown.
AROUND = 1.0
# A cut is found where a take ends within so many frames of it.
TOLERANCE = 1
# A picture is written with at most so many rows.
ROWS = 720


def measure_continuity(
    videos: Sequence[Path], cuts: int, detector: FaceDetector, say: Callable[[str], None]
) -> list[Figure]:
    """Look at videos as they are, then cut them and look for the cuts.

    Args:
        videos: Real videos of continuous talk.
        cuts: Jump cuts to make in each, and as many reframed ones.
        detector: Finds faces.
        say: Told what was found in each.
    """
    random = np.random.default_rng(0)
    minutes, ends = 0.0, 0
    counts = {scale: np.zeros(2, int) for scale in (1.0, REFRAMED)}
    for path in videos:
        survey = _survey(path, detector)
        if survey is None:
            continue
        takes = _single_takes(survey)
        rate = 1 / float(np.median(np.diff(survey.scan.times)))
        minutes += sum(end - first for first, end in takes) / rate / 60
        begins = [round(float(survey.scan.times[first]), 2) for first, _ in survey.takes[1:]]
        ends += len(begins)
        made = {scale: _made(path, survey, takes, rate, cuts, scale, detector, random) for scale in counts}
        for scale, (found, all_made) in made.items():
            counts[scale] += found, all_made
        plain, reframed = (f"{found} of {count}" for found, count in made.values())
        say(f"{path.stem}: takes begin at {begins} s; found {plain} jump cuts, {reframed} with another framing")
    plain_cuts, reframed_cuts = counts.values()
    both = plain_cuts + reframed_cuts
    return [
        at_least(f"jump cuts found, of {both[1]}", both[0] / max(1, both[1]), 0.9),
        at_least(f"of {plain_cuts[1]} with the same framing", plain_cuts[0] / max(1, plain_cuts[1]), 0.9),
        at_least(f"of {reframed_cuts[1]} with another framing", reframed_cuts[0] / max(1, reframed_cuts[1]), 0.9),
        below(f"cuts seen in 10 minutes without one, over {minutes:.1f} minutes", ends / max(minutes, 1e-9) * 10, 1),
    ]


def _survey(path: Path, detector: FaceDetector) -> Survey | None:
    parameters = SplitParameters()
    finder = FaceFinder(detector, parameters.min_face_pixels)
    return survey_source(path, index_packets(path), finder, (), parameters.max_gap_seconds, lambda done, total: None)


def _single_takes(survey: Survey) -> list[tuple[int, int]]:
    """Return the parts in which one person is seen all the time."""
    takes = []
    for first, end in survey.takes:
        people = choose_people(track_faces(survey.detections[first:end], first, survey.scan.times[first:end], 0.0))
        takes += [(person.first_frame, person.end_frame) for person in people]
    return takes


def _made(
    path: Path,
    survey: Survey,
    takes: Sequence[tuple[int, int]],
    rate: float,
    cuts: int,
    scale: float,
    detector: FaceDetector,
    random: np.random.Generator,
) -> tuple[int, int]:
    """Make jump cuts and count those that are found, and all."""
    around, found, made = round(AROUND * rate), 0, 0
    for _ in range(cuts):
        left_out = round(float(random.uniform(*LEFT_OUT)) * rate)
        fitting = [take for take in takes if take[1] - take[0] >= 2 * around + left_out]
        if not fitting:
            continue
        first, end = fitting[int(random.integers(len(fitting)))]
        cut = int(random.integers(first + around, end - around - left_out + 1))
        wanted = [*range(cut - around, cut), *range(cut + left_out, cut + left_out + around)]
        pictures = read_pictures(path, survey.scan, wanted)
        after = [_closer(picture, scale) for picture in pictures[around:]]
        with TemporaryDirectory() as folder:
            file = Path(folder) / "cut.mp4"
            _write(file, [*pictures[:around], *after], rate)
            seen = _survey(file, detector)
        made += 1
        found += seen is not None and any(abs(begin - around) <= TOLERANCE for begin, _ in seen.takes[1:])
    return found, made


def _closer(picture: Frame, scale: float) -> Frame:
    if scale == 1.0:
        return picture
    height, width = picture.shape[:2]
    centred = cv2.getRotationMatrix2D((width / 2, height / 2), 0, scale)
    return np.asarray(cv2.warpAffine(picture, centred, (width, height), flags=cv2.INTER_CUBIC), np.uint8)


def _write(path: Path, pictures: Sequence[Frame], rate: float) -> None:
    height, width = pictures[0].shape[:2]
    scale = min(1.0, ROWS / height)
    size = (round(width * scale) // 2 * 2, round(height * scale) // 2 * 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", Fraction(rate).limit_denominator(1001), {"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for picture in pictures:
            small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(small, "rgb24")))
        container.mux(stream.encode())
