"""Priors: spreads of the coefficients, noise of the landmarks, weights of the points."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitPriors:
    """Standard deviations of the unknowns and of the measurements.

    Attributes:
        landmark_fraction: Noise of a landmark, as a fraction of the outer-eye distance (two good detectors differ
            by this much on one frame).
        contour_weight: Weight of the 17 contour points, whose place along the edge of the face is a guess.
        cauchy: Residuals beyond this many standard deviations lose their influence.
        identity: Of an identity coefficient, in its own standard deviations.
        expression: Of an expression coefficient, as a fraction of the unit.
        independent_frames: A detector errs in the same way on every frame of a face, so that frames beyond this many
            tell nothing new of what they share: the prior of the identity grows with the frames instead.
        focal_frames: The same of the focal length, which a wrong basis bends most.
        focal_pixels: Mean of the focal length in pixels of a 512 crop.
        log_focal: Of its logarithm.
        log_focal_basis: What a head that the basis can't show adds to the deviation of that logarithm.
        pose_cutoff: Frequency in Hz at which movements of the head keep half their amplitude; a 3 Hz nod keeps 97 %.
        expression_cutoff: The same of the expression.
    """

    landmark_fraction: float = 0.02
    contour_weight: float = 0.3
    cauchy: float = 3.0
    identity: float = 1.0
    expression: float = 0.3
    independent_frames: float = 8.0
    focal_frames: float = 6.0
    focal_pixels: float = 1100.0
    log_focal: float = 0.15
    log_focal_basis: float = 0.06
    pose_cutoff: float = 4.1
    expression_cutoff: float = 7.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}, a finite value above 0 is needed")


@dataclass(frozen=True, slots=True)
class PhotometricPriors:
    """What is known before a colour is seen.

    Attributes:
        independent_texels: Texels of a frame beyond this many tell nothing new: their errors (shape, shadow, gloss) are
            alike.
        cauchy: Colours that differ by more standard deviations lose their influence: hair, hands, gloss.
        least_sigma: Noise of a colour that is always assumed, of the picture's range.
    """

    independent_texels: float = 150.0
    cauchy: float = 2.0
    least_sigma: float = 0.01

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}, a finite value above 0 is needed")
