"""Where the inner 51 points lie on a head, found on clips. `python -m benchmarks places`.

A landmark detector means a place on the skin by each of its points. The places are unknowns that all clips share,
beside pose, expression, identity and focal length of each: a round fits the clips, takes one Gauss-Newton step of the
places in which all other unknowns follow (variable projection), and brings the points back onto the surface. Left and
right move alike. The contour stays: its points slide (docs/decisions/0038-contour.md).

Source: Golub and Pereyra, "Separable nonlinear least squares: the variable projection method and its applications",
Inverse Problems 19, 2003.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from talkmill.arrays import Float32Array, Float64Array
from talkmill.fitting.clip import ClipFit, ObservedClip, fit_clip
from talkmill.fitting.priors import FitPriors
from talkmill.fitting.projection import LandmarkBasis, LinearShape, project_with_jacobian
from talkmill.fitting.state import POSE_COUNT, NormalEquations
from talkmill.fitting.weights import cauchy_weights, point_weights
from talkmill.geometry.conventions import REFERENCE_SIZE, principal_point
from talkmill.landmarks.points import COUNT, INNER, MIRROR
from talkmill.morphable.model import MorphableModel

ROUNDS = 3
# Of each clip every third frame is fitted, and so many of them, evenly spread, choose the places.
EVERY, FRAMES = 3, 60
# How far a place is thought to lie from where it is, and how far it moves in one round at most, in units of 10 cm. Each
# clip weighs as much as one measurement with the noise of a landmark. Twice the spread and two thirds of it were worse:
# docs/decisions/0067-places.md.
SPREAD, REACH = 0.03, 0.03
# Points of the subject's right half and of the middle; the others mirror them.
RIGHT_HALF = [point for point in range(INNER.start, COUNT) if MIRROR[point] >= point]


@dataclass(frozen=True, slots=True)
class MeasuredClip:
    """Landmarks of a clip.

    Attributes:
        points: (N, 68, 2) pixels at 512.
        trust: (N, 68); 0 in frames that are not valid.
        rate: Frames a second.
    """

    points: Float64Array
    trust: Float64Array
    rate: float

    def every(self, step: int) -> "MeasuredClip":
        """Return every so many frames."""
        return MeasuredClip(self.points[::step], self.trust[::step], self.rate / step)

    def fitted(self, model: MorphableModel) -> tuple[ObservedClip, ClipFit]:
        """Fit a head to it by landmarks alone."""
        basis, centre = LandmarkBasis.of(model), principal_point(REFERENCE_SIZE)
        clip = ObservedClip.of(basis, self.points, self.trust, self.rate, centre, FitPriors())
        return clip, fit_clip(clip)


@dataclass(frozen=True, slots=True)
class Places:
    """Points on a surface, or differences of such points.

    Attributes:
        corners: (68, 3) int32, vertices of the triangle of each point.
        shares: (68, 3) barycentric coordinates; of a difference they sum to 0.
    """

    corners: npt.NDArray[np.int32]
    shares: Float64Array

    @classmethod
    def of(cls, model: MorphableModel) -> Self:
        """Return those of a model."""
        return cls(model.vertex_indices, model.barycentric.astype(np.float64))

    def on(self, values: Float32Array) -> Float64Array:
        """Return values (V, ...) at the points, (68, ...)."""
        return np.asarray(np.einsum("pc,pc...->p...", self.shares, values[self.corners]))

    def shape(self, model: MorphableModel) -> LinearShape[np.float64]:
        """Return the points as a linear shape."""
        return LinearShape(*(self.on(values) for values in (model.mean, model.identity, model.expression)))

    def put_into(self, model: MorphableModel) -> MorphableModel:
        """Return the model with its landmarks there."""
        return replace(model, vertex_indices=self.corners, barycentric=self.shares.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Tangents:
    """Unknowns of a step: two directions of a point beside the middle, one of a point on it.

    Attributes:
        ways: First and second direction of all points, as differences of places per unit of 10 cm.
        unknown: (2, 68) number of the unknown that moves a point, -1 where there is none.
        offsets: (U, 68, 3) what each unknown does to the mean head's points.
    """

    ways: tuple[Places, Places]
    unknown: npt.NDArray[np.int64]
    offsets: Float64Array


class PlaceFinder:
    """Moves the landmarks of one head."""

    def __init__(self, model: MorphableModel) -> None:
        """Create the finder. The mesh must be its own mirror image, vertex by vertex."""
        self._model, self._first = model, Places.of(model)
        self._mean = model.mean.astype(np.float64)
        self._mirror = np.asarray(cKDTree(self._mean).query(self._mean * [-1, 1, 1])[1], np.int32)
        if (self._mirror[self._mirror] != np.arange(len(self._mirror))).any():
            raise ValueError(
                f"{model.name} is not its own mirror image: a vertex is another's twin and not the reverse"
            )
        edges = np.concatenate([model.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
        lengths = np.linalg.norm(self._mean[edges[:, 0]] - self._mean[edges[:, 1]], axis=1)
        self._surface = coo_array((lengths, edges.T), (len(self._mean),) * 2).tocsr()

    def find(self, clips: Mapping[str, MeasuredClip], say: Callable[[str], None]) -> Places:
        """Find the places that fit clips best.

        Args:
            clips: Of as many people as there are.
            say: Called with a line after each round.
        """
        places = self._first
        for number in range(1, ROUNDS + 1):
            model = places.put_into(self._model)
            fits = [clip.every(EVERY).fitted(model) for clip in clips.values()]
            before, places = places, self.moved(places, fits)
            step = 100 * np.linalg.norm(places.on(model.mean) - before.on(model.mean), axis=1)[INNER]
            cost = sum(fit.cost for _, fit in fits)
            say(f"round {number}: cost {cost:.0f}, points moved by {step.mean():.2f} mm, at most {step.max():.2f}")
        return places

    def moved(self, places: Places, fits: list[tuple[ObservedClip, ClipFit]]) -> Places:
        """Take one step.

        Args:
            places: Where the points are.
            fits: Clips, fitted with them.
        """
        tangents = self._tangents(places)
        here, first = places.on(self._model.mean), self._first.on(self._model.mean)
        count = len(tangents.offsets)
        flat = tangents.offsets[:, RIGHT_HALF].reshape(count, -1)
        hessian = np.eye(count) / SPREAD**2
        gradient = flat @ (first - here)[RIGHT_HALF].reshape(-1) / SPREAD**2
        for clip, fit in fits:
            curvature, slope = self._reduced(places, tangents, clip, fit)
            hessian, gradient = hessian + curvature, gradient + slope
        # As a whole the points neither grow, turn nor shift: the pose of a head keeps its meaning.
        held = _wholes(first[INNER])
        by_step = np.stack([(held * offset[INNER]).sum((1, 2)) for offset in tangents.offsets], axis=1)
        rest = np.zeros((len(held), len(held)))
        right = np.append(gradient, (held * (first - here)[INNER]).sum((1, 2)))
        step = np.linalg.solve(np.block([[hessian, by_step.T], [by_step, rest]]), right)[:count]
        shift = np.einsum("u,upi->pi", step, tangents.offsets)
        length = np.linalg.norm(shift, axis=1, keepdims=True)
        wanted = here + shift * np.minimum(1, REACH / np.maximum(length, 1e-9))
        corners, shares = places.corners.copy(), places.shares.copy()
        for point in RIGHT_HALF:
            corners[point], shares[point] = self._nearest(places.corners[point], wanted[point])
            if MIRROR[point] != point:
                corners[MIRROR[point]], shares[MIRROR[point]] = self._mirror[corners[point]], shares[point]
        return Places(corners, shares)

    def _tangents(self, places: Places) -> _Tangents:
        shares, unknown, number = np.zeros((2, COUNT, 3)), np.full((2, COUNT), -1), 0
        for point in RIGHT_HALF:
            corners = self._mean[places.corners[point]]
            sides = (corners[1:] - corners[0]).T
            if MIRROR[point] == point:
                # The direction in the triangle that does not leave the middle.
                along = np.array([[-sides[0, 1]], [sides[0, 0]]])
                along = along / np.linalg.norm(sides @ along)
            else:
                along = np.linalg.inv(np.linalg.qr(sides)[1])
            change = np.concatenate([-along.sum(0, keepdims=True), along])
            for way in range(change.shape[1]):
                both = [point, MIRROR[point]]
                shares[way, both], unknown[way, both] = change[:, way], number
                number += 1
        ways = (Places(places.corners, shares[0]), Places(places.corners, shares[1]))
        offsets = np.zeros((number, COUNT, 3))
        for row, difference in zip(unknown, ways, strict=True):
            used = np.flatnonzero(row >= 0)
            offsets[row[used], used] = difference.on(self._model.mean)[used]
        return _Tangents(ways, unknown, offsets)

    def _reduced(
        self, places: Places, tangents: _Tangents, clip: ObservedClip, fit: ClipFit
    ) -> tuple[Float64Array, Float64Array]:
        """Return Hessian and downhill gradient of a clip by the places, its other unknowns following; (U, U), (U,)."""
        seen = np.flatnonzero(clip.measured)
        frames = seen[np.unique(np.linspace(0, len(seen) - 1, min(FRAMES, len(seen))).astype(int))]
        state, priors, count, size = fit.state.part(frames), clip.priors, len(frames), len(tangents.offsets)
        placed = LandmarkBasis.of(places.put_into(self._model)).place(state.identity, state.expression, state.pose)
        projection = project_with_jacobian(placed.points, state.pose, state.focal, clip.centre)
        residual = (clip.landmarks[frames] - projection.points) / clip.sigma()
        weight = clip.weights[frames] * point_weights(priors) * cauchy_weights(residual, priors.cauchy)
        by_place = np.zeros((count, COUNT, 2, size))
        for way, row in zip(tangents.ways, tangents.unknown, strict=True):
            offset = way.shape(self._model).points(state.identity, state.expression)
            seen_offset = (projection.by_vertex @ offset[..., None])[..., 0]
            for point in np.flatnonzero(row >= 0):
                by_place[:, point, :, row[point]] += seen_offset[:, point]
        expression, identity = (placed.jacobian(projection.by_vertex, name) for name in ("expression", "identity"))
        own = np.concatenate([projection.by_pose, expression], axis=-1)
        shared = np.concatenate([identity, projection.by_log_focal[..., None], by_place], axis=-1)
        own, shared = (part.reshape(count, 2 * COUNT, -1) / clip.sigma() for part in (own, shared))
        equations = NormalEquations.zeros(count, own.shape[2], shared.shape[2])
        equations.add_rows(own, shared, np.repeat(weight, 2, axis=1), residual.reshape(count, -1))
        unit = np.arange(POSE_COUNT, own.shape[2])
        equations.blocks[:, unit, unit] += priors.expression**-2.0
        known = np.full(len(state.identity), max(1.0, count / priors.independent_frames) * priors.identity**-2.0)
        known = np.append(known, max(1.0, count / priors.focal_frames) * priors.log_focal**-2.0)
        known = np.append(known, np.zeros(size))
        followed = np.linalg.solve(equations.blocks, equations.coupling)
        reduced = equations.shared + np.diag(known) - np.einsum("fbs,fbt->st", equations.coupling, followed)
        inner, outer = slice(0, -size), slice(-size, None)
        curvature = reduced[outer, outer] - reduced[outer, inner] @ np.linalg.solve(
            reduced[inner, inner], reduced[inner, outer]
        )
        # At a fit nothing pulls the other unknowns: the gradient by the places is that of the whole.
        return curvature / count, equations.shared_gradient[outer] / count

    def _nearest(
        self, corners: npt.NDArray[np.int32], wanted: Float64Array
    ) -> tuple[npt.NDArray[np.int32], Float64Array]:
        """Return triangle and shares of the nearest place that is near along the surface, too: lips are not jumped."""
        away = dijkstra(self._surface, directed=False, indices=corners, limit=3 * REACH).min(0)
        triangles = self._model.triangles[np.isfinite(away[self._model.triangles]).all(1)]
        vertices = self._mean[triangles]
        sides = np.swapaxes(vertices[:, 1:] - vertices[:, :1], 1, 2)
        inside = np.einsum("tij,tj->ti", np.linalg.pinv(sides), wanted - vertices[:, 0])
        shares = np.maximum(np.concatenate([1 - inside.sum(1, keepdims=True), inside], axis=1), 0)
        shares /= shares.sum(1, keepdims=True)
        best = np.argmin(((np.einsum("tc,tci->ti", shares, vertices) - wanted) ** 2).sum(1))
        return triangles[best], shares[best]


def _wholes(points: Float64Array) -> Float64Array:
    """Return how points move that grow, turn about x, or shift in y and z, (4, P, 3)."""
    around = points - points.mean(0)
    shifts = np.zeros((2, *around.shape))
    shifts[0, :, 1], shifts[1, :, 2] = 1, 1
    return np.stack([around, np.cross([1.0, 0, 0], around), *shifts])
