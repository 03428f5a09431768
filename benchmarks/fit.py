"""The camera pose, measured on made-up clips with known truth. `python -m benchmarks fit`."""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from benchmarks.adam import minimise
from benchmarks.quality import Figure, below
from benchmarks.scenes.measure import PoseError, clip_of, fit_scene, kept_amplitude, pose_error
from benchmarks.scenes.render import Look, render
from benchmarks.scenes.scene import RATE, Scene, make_scene
from talkmill.arrays import Frame
from talkmill.fitting.bundle import Bundle
from talkmill.fitting.clip import first_state, fit_clip, smoothing_metric, smoothness_of
from talkmill.fitting.photometric import refine
from talkmill.fitting.priors import FitPriors, PhotometricPriors
from talkmill.fitting.projection import LandmarkBasis
from talkmill.geometry.conventions import euler_from_rotation, rotation_from_euler
from talkmill.morphable.model import MorphableModel
from talkmill.video.decode import read_video
from talkmill.video.encode import file_writer

FRAMES = 252
NOD_HERTZ, NOD_RADIANS = 3.0, 0.06
LONG = 10_000
MEGABYTE = 1024.0
# Scenes of the table of focal intervals.
INTERVAL_SCENES = 30


@dataclass(frozen=True, slots=True)
class FitBench:
    """What is measured.

    Attributes:
        models: Two heads: each is fitted to clips of both.
        scenes: Clips of each pair without pictures.
        pictures: Clips of each pair with pictures.
        adam_steps: Steps of the comparison; 0 leaves it out.
        threads: Of the photometric term.
        say: Called with a line when a part begins.
    """

    models: tuple[MorphableModel, MorphableModel]
    scenes: int
    pictures: int
    adam_steps: int
    threads: int
    say: Callable[[str], None]

    def run(self) -> list[Figure]:
        """Measure everything."""
        figures = self._landmarks() + self._focal_known() + self._intervals() + self._nod()
        if self.pictures:
            figures += self._pictures()
        if self.adam_steps:
            figures += self._speed()
        return figures + self._long()

    def _pairs(self) -> Iterator[tuple[str, MorphableModel, MorphableModel]]:
        for shown in self.models:
            for fitted in self.models:
                kind = "own basis" if shown is fitted else "other basis"
                yield f"{shown.name} fitted by {fitted.name} ({kind})", shown, fitted

    def _landmarks(self) -> list[Figure]:
        figures = []
        for title, shown, fitted in self._pairs():
            self.say(f"landmarks: {title}")
            basis, own = LandmarkBasis.of(fitted), shown is fitted
            errors = []
            for seed in range(self.scenes):
                scene = make_scene(shown, FRAMES, seed)
                errors.append(pose_error(scene, fit_scene(scene, basis, seed), fitted))
            figures += _pose_figures(f"landmarks alone, {title}", errors, 1.5 if own else None, own)
        return figures

    def _focal_known(self) -> list[Figure]:
        figures = []
        for model in self.models:
            self.say(f"focal known: {model.name}")
            errors = []
            for seed in range(self.scenes):
                scene = make_scene(model, FRAMES, seed)
                known = FitPriors(focal_pixels=scene.focal, log_focal=1e-3)
                fit = fit_scene(scene, LandmarkBasis.of(model), seed, known)
                errors.append(pose_error(scene, fit, model).translation)
            figures.append(below(f"translation, focal known, {model.name}: mean error, %", float(np.mean(errors)), 1.0))
        return figures

    def _intervals(self) -> list[Figure]:
        figures = []
        for own in (True, False):
            self.say(f"focal intervals, {'own' if own else 'other'} basis")
            errors = []
            for index in range(INTERVAL_SCENES):
                shown = self.models[index % 2]
                fitted = shown if own else self.models[1 - index % 2]
                scene = make_scene(shown, FRAMES, 1000 + index)
                errors.append(pose_error(scene, fit_scene(scene, LandmarkBasis.of(fitted), index), fitted))
            title = f"{INTERVAL_SCENES} scenes, {'own' if own else 'other'} basis"
            inside = [sum(e.focal_inside for e in errors), sum(e.depth_inside for e in errors)]
            widths = 100 * float(np.median([e.half_width for e in errors]))
            for what, count in zip(("focal", "z"), inside, strict=True):
                figures.append(
                    Figure(f"{title}: {what} inside its 90 % interval", count, ">= 26 in own", count >= 26 or not own)
                )
            figures.append(below(f"{title}: median half width of the focal's interval, %", widths, 25.0))
        return figures

    def _nod(self) -> list[Figure]:
        """A 3 Hz nod on top of a scene: what is left of it in the fitted angle."""
        self.say("nod")
        model = self.models[0]
        scene = make_scene(model, FRAMES, 3)
        euler = euler_from_rotation(scene.rotation)
        euler[:, 0] += NOD_RADIANS * np.sin(2 * np.pi * NOD_HERTZ * np.arange(FRAMES) / RATE)
        nodding = Scene(
            model,
            scene.identity,
            scene.expression,
            rotation_from_euler(euler),
            scene.translation,
            scene.focal,
            scene.centre,
        )
        fit = fit_scene(nodding, LandmarkBasis.of(model), 3)
        found = euler_from_rotation(fit.state.pose.rotation)[:, 0]
        kept = 100 * kept_amplitude(euler[:, 0], found, NOD_HERTZ)
        return [Figure("landmarks alone: amplitude of a 3 Hz nod that is kept, %", kept, ">= 95", kept >= 95)]

    def _pictures(self) -> list[Figure]:
        figures = []
        with tempfile.TemporaryDirectory() as folder:
            for shown in self.models:
                for seed in range(self.pictures):
                    self.say(f"drawing {shown.name}, scene {seed}")
                    scene = make_scene(shown, FRAMES, seed)
                    with file_writer(_video(folder, shown, seed), Fraction(int(RATE))) as writer:
                        for frame in render(scene, Look(seed=seed)):
                            writer.write(frame)
            for title, shown, fitted in self._pairs():
                figures += self._refined(title, shown, fitted, folder)
        return figures

    def _refined(self, title: str, shown: MorphableModel, fitted: MorphableModel, folder: str) -> list[Figure]:
        self.say(f"photometric: {title}")
        errors, seconds, kept = [], [], 0
        basis = LandmarkBasis.of(fitted)
        for seed in range(self.pictures):
            scene = make_scene(shown, FRAMES, seed)
            clip = clip_of(scene, basis, seed)
            fit = fit_clip(clip)
            path = _video(folder, shown, seed)

            def frames(path: Path = path) -> Iterator[Frame]:
                return read_video(path)

            began = time.perf_counter()
            refinement = refine(fitted, clip, fit, frames, PhotometricPriors(), self.threads)
            seconds.append(time.perf_counter() - began)
            kept += refinement.kept
            errors.append(pose_error(scene, refinement.fit, fitted))
        own = shown is fitted
        figures = _pose_figures(f"photometric, {title}", errors, 1.0 if own else 2.0, own)
        figures.append(Figure(f"photometric, {title}: kept", kept, f"{self.pictures} reported", True))
        what = f"photometric, {title}: seconds of {FRAMES} frames, {self.threads} threads"
        return [*figures, below(what, float(np.mean(seconds)), 15.0)]

    def _speed(self) -> list[Figure]:
        """The same objective, the contour fixed, by the solver and by Adam, one thread each."""
        self.say(f"speed: {self.adam_steps} Adam steps")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        scene = make_scene(self.models[0], FRAMES, 1)
        clip = clip_of(scene, LandmarkBasis.of(self.models[0], slide=False), 1)
        began = time.process_time()
        start, sigma = first_state(clip), clip.sigma()
        metric = smoothing_metric(clip, start, sigma)
        bundle = Bundle([clip.term(sigma)], smoothness_of(clip, metric), clip.priors, FRAMES)
        solution = bundle.solve(start)
        ours = time.process_time() - began
        began = time.process_time()
        other = minimise(clip, start, metric, self.adam_steps)
        theirs = time.process_time() - began
        torch.set_num_threads(threads)
        loss = bundle.cost(other)
        ratio = theirs / ours
        return [
            Figure(f"landmark term, {FRAMES} frames: CPU seconds of the solver", ours, "reported", True),
            Figure(f"{self.adam_steps} Adam steps on the same objective: CPU seconds", theirs, "reported", True),
            Figure("Adam's CPU over the solver's", ratio, ">= 40", ratio >= 40),
            Figure("loss of the solver over Adam's", solution.cost / loss, "<= 1", solution.cost <= loss),
        ]

    def _long(self) -> list[Figure]:
        """Each length in a process of its own, for the peak of its memory."""
        found = {}
        for count in (LONG // 4, LONG):
            self.say(f"{count} frames")
            context = multiprocessing.get_context("spawn")
            with context.Pool(1) as pool:
                found[count] = pool.apply(_fit_long, (self.models[0], count))
        seconds, megabytes = found[LONG]
        growth = seconds / found[LONG // 4][0]
        return [
            below(f"landmarks alone, {LONG} frames: peak memory of the process, MB", megabytes, 1500.0),
            Figure(f"landmarks alone, {LONG} frames: CPU seconds", seconds, "reported", True),
            below(f"CPU of {LONG} frames over that of {LONG // 4}", growth, 4.8),
        ]


def _pose_figures(title: str, errors: list[PoseError], limit: float | None, own: bool) -> list[Figure]:
    def mean(name: str) -> float:
        return float(np.mean([getattr(error, name) for error in errors]))

    rotation, what = mean("rotation"), f"{title}: mean rotation error, degrees"
    figures = [Figure(what, rotation, "reported", True) if limit is None else below(what, rotation, limit)]
    figures.append(Figure(f"{title}: constant rotation removed, degrees", mean("offset"), "reported", True))
    depth, what = mean("depth_over_focal"), f"{title}: mean error of z over f, %"
    # Two bases have heads of other sizes: their distances can't agree.
    figures.append(below(what, depth, 2.0) if own else Figure(what, depth, "reported", True))
    return [*figures, below(f"{title}: jitter over the true motion's", mean("jitter"), 1.2)]


def _video(folder: str, model: MorphableModel, seed: int) -> Path:
    return Path(folder) / f"{model.name}-{seed}.mp4"


def _fit_long(model: MorphableModel, count: int) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MB of a fit."""
    basis = LandmarkBasis.of(model)
    clip = clip_of(make_scene(model, count, 0), basis, 0)
    began = time.process_time()
    fit_clip(clip)
    return time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
