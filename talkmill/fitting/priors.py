"""What is known before a landmark is seen: spreads of coefficients, noise of landmarks, trust in points."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitPriors:
    """Standard deviations of the unknowns and of the measurements.

    Attributes:
        landmark_fraction: Noise of a landmark, as a fraction of the outer-eye distance (two good detectors differ
            by this much on one frame).
        contour_weight: Weight of the 17 contour points: they slide over the jaw as the head turns.
        huber: Residuals beyond this many standard deviations count linearly.
        identity: Of an identity coefficient, in its own standard deviations.
        expression: Of an expression coefficient, as a fraction of the unit.
        independent_frames: A detector errs in the same way on every frame of a face, so that frames beyond this many
            tell nothing new of what they share: the priors of identity and focal grow with the frames instead.
        focal_pixels: Mean of the focal length in pixels of a 512 crop.
        log_focal: Of its logarithm.
        turn_acceleration: Of the second difference of the rotation, radians, at 25 frames a second.
        shift_acceleration: Of the second difference of the translation, in units of 10 cm, at 25 frames a second.
        expression_acceleration: Of the second difference of an expression coefficient, at 25 frames a second.
    """

    landmark_fraction: float = 0.02
    contour_weight: float = 0.3
    huber: float = 3.0
    identity: float = 1.0
    expression: float = 0.3
    independent_frames: float = 8.0
    focal_pixels: float = 1100.0
    log_focal: float = 0.15
    turn_acceleration: float = 0.03
    shift_acceleration: float = 0.03
    expression_acceleration: float = 0.1

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}, a finite value above 0 is needed")
