"""The landmark objective by full-batch Adam, as the reference solves its own: what the solver is compared with.

The value is the same as `Bundle.cost`'s for landmarks that do not slide; only the way down differs.
"""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from talkmill.fitting.clip import ObservedClip
from talkmill.fitting.projection import Pose
from talkmill.fitting.smoothness import ORDER
from talkmill.fitting.state import State
from talkmill.fitting.weights import point_weights

LEARNING_RATE = 0.01


def minimise(clip: ObservedClip, start: State, metric: np.ndarray, steps: int) -> State:
    """Take Adam steps on all unknowns at once, float32, the learning rate falling to zero as a cosine.

    Args:
        clip: What was measured; every frame.
        start: Where to begin.
        metric: Of the smoothness.
        steps: How many.
    """
    fixed, priors = clip.basis.fixed, clip.priors

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32)

    mean, identity_modes, expression_modes = (tensor(part) for part in (fixed.mean, fixed.identity, fixed.expression))
    points, trust = tensor(clip.landmarks), tensor(clip.weights * point_weights(priors))
    sigma, weight = clip.sigma(), tensor(metric)
    measured = float(clip.measured.sum())
    identity_scale = max(1.0, measured / priors.independent_frames)
    focal_scale = max(1.0, measured / priors.focal_frames)
    unknown = [
        tensor(Rotation.from_matrix(start.pose.rotation).as_rotvec()),
        tensor(start.pose.translation),
        tensor(start.expression),
        tensor(start.identity),
        torch.tensor(start.log_focal, dtype=torch.float32),
    ]
    for part in unknown:
        part.requires_grad_(True)
    turn, shift, expression, identity, log_focal = unknown

    def objective() -> torch.Tensor:
        rotation = _exponential(turn)
        shapes = mean + identity_modes @ identity + torch.tensordot(expression, expression_modes, dims=([1], [2]))
        camera = shapes @ rotation.transpose(1, 2) + shift[:, None]
        focal = log_focal.exp()
        x = clip.centre - focal * camera[..., 0] / camera[..., 2]
        y = clip.centre + focal * camera[..., 1] / camera[..., 2]
        squared = (((torch.stack([x, y], dim=-1) - points) / sigma) ** 2).sum(-1)
        total = (trust * 0.5 * priors.cauchy**2 * torch.log1p(squared / priors.cauchy**2)).sum()
        total = total + 0.5 * (expression**2).sum() / priors.expression**2
        total = total + 0.5 * identity_scale * (identity**2).sum() / priors.identity**2
        offset = (log_focal - float(np.log(priors.focal_pixels))) / priors.log_focal
        total = total + 0.5 * focal_scale * offset**2
        turns = torch.diff(_logarithm(rotation[1:] @ rotation[:-1].transpose(1, 2)), ORDER - 1, dim=0)
        others = torch.diff(torch.cat([shift, expression], dim=1), ORDER, dim=0)
        differences = torch.cat([turns, others], dim=1)
        return total + 0.5 * ((differences @ weight) * differences).sum()

    optimiser = torch.optim.Adam(unknown, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(objective())
        optimiser.step()
        schedule.step()
    values = [part.detach().double().numpy() for part in unknown]
    pose = Pose(Rotation.from_rotvec(values[0]).as_matrix(), values[1])
    return State(pose, values[2], values[3], float(values[4]))


def _exponential(turn: torch.Tensor) -> torch.Tensor:
    """Rodrigues' formula, (N, 3) to (N, 3, 3)."""
    angle = turn.norm(dim=1, keepdim=True).clamp(min=1e-8)[..., None]
    x, y, z = (turn / angle[..., 0]).unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
    rotation: torch.Tensor = torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    return rotation


def _logarithm(rotation: torch.Tensor) -> torch.Tensor:
    """Rotation vectors of small turns, (N, 3, 3) to (N, 3)."""
    skew = (rotation - rotation.transpose(1, 2)) / 2
    vector = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], dim=1)
    # asin(s) / s for small s
    sine: torch.Tensor = (vector**2).sum(1, keepdim=True)
    factor: torch.Tensor = 1 + sine / 6 + 3 * sine**2 / 40
    return vector * factor
