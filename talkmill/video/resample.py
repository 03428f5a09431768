"""Chooses the source frame for each instant of a constant frame rate."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

# A grid instant this close after the last frame still counts (container time stamps are rounded to 1/1000 s or finer).
TIME_TOLERANCE_SECONDS = 2e-3
# A rate is constant when every frame lies this close to the grid (half a tick of a 1/1000 s time base, doubled).
CONSTANT_RATE_TOLERANCE_SECONDS = 2e-3
# Frames that come in pairs, or a few at a time, are nearer to one another than those of a camera are: what counts is
# how long so many gaps last in all.
NEAREST_SECONDS, GAPS_IN_ALL = 1 / 125, 8
# A rate is taken for a common one where it differs by a smaller share.
NEAR = 1.05e-3
# Stamps are rounded to this or finer.
ROUNDED_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class FrameSchedule:
    """A constant-rate view of source frames.

    Attributes:
        rate: Output frames a second.
        source_indices: (N,) int64, the source frame shown at k / rate seconds; never goes back.
        start_seconds: Source time of output frame 0.
    """

    rate: Fraction
    source_indices: npt.NDArray[np.int64]
    start_seconds: float

    @property
    def repeated(self) -> npt.NDArray[np.bool_]:
        """(N,) bool, true where a frame shows the same source frame as the one before it."""
        return np.concatenate([[False], np.diff(self.source_indices) == 0])


def schedule_frames(
    times: npt.NDArray[np.float64], rate: Fraction, start_seconds: float, end_seconds: float
) -> FrameSchedule:
    """Choose for each instant k / rate the nearest source frame. None is blended.

    Args:
        times: (M,) rising presentation times in seconds.
        rate: Output frames a second.
        start_seconds: Time of the first output frame.
        end_seconds: No output frame is later than this.

    Returns:
        The schedule; it has at least one frame.

    Raises:
        ValueError: There is no source frame.
    """
    if not len(times):
        raise ValueError("there is no source frame to schedule")
    end = min(end_seconds, float(times[-1]))
    count = max(1, int((end - start_seconds + TIME_TOLERANCE_SECONDS) * rate) + 1)
    instants = start_seconds + np.arange(count) / float(rate)
    after = np.clip(np.searchsorted(times, instants), 1, max(1, len(times) - 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    nearer_after = times[after] - instants < instants - times[before]
    return FrameSchedule(rate, np.where(nearer_after, after, before).astype(np.int64), start_seconds)


def constant_rate(times: npt.NDArray[np.float64], rate: Fraction) -> bool:
    """Say whether frames already stand on a grid of a rate, one frame an instant.

    Args:
        times: (M,) rising presentation times in seconds.
        rate: Frames a second of the grid.

    Returns:
        True when frame k lies at the first time plus k / rate, within the tolerance, for every k.
    """
    grid = times[0] + np.arange(len(times)) / float(rate)
    return bool(np.all(np.abs(times - grid) < CONSTANT_RATE_TOLERANCE_SECONDS))


def native_rate(times: npt.NDArray[np.float64], header_rate: float) -> Fraction:
    """Return the frame rate of a source from its times, missing frames counted, snapped to a common rate.

    Args:
        times: (M,) rising presentation times in seconds.
        header_rate: Frames a second as the header says: that of a source of one frame, and what tells 24 from 23.976
            where the times do not.

    Returns:
        Frames a second; n or n * 1000 / 1001 where one lies within 0.1 %.
    """
    if len(times) < 2:
        return Fraction(header_rate).limit_denominator(1001)
    gaps = np.diff(times)
    gap = float(np.median(gaps))
    if gap < NEAREST_SECONDS and len(gaps) > GAPS_IN_ALL:
        gap = max(gap, float(np.median(times[GAPS_IN_ALL:] - times[:-GAPS_IN_ALL])) / GAPS_IN_ALL)
    steps = np.rint(gaps / gap)
    rate = float(steps.sum() / gaps.sum())
    # Times are rounded, and 24 and 23.976 lie 0.1 % apart: of a short video the header may know what they cannot tell.
    told = _common_rate(header_rate, NEAR / 4)
    if told is not None and abs(float(told) / rate - 1) < NEAR + ROUNDED_SECONDS / gaps.sum():
        return told
    return _common_rate(rate, NEAR) or Fraction(rate).limit_denominator(1001)


def _common_rate(rate: float, within: float) -> Fraction | None:
    """Return the nearer of n and n * 1000 / 1001, where it differs by less than a share."""
    common = Fraction(round(rate)), Fraction(round(rate * 1.001) * 1000, 1001)
    near = [one for one in common if one > 0 and abs(float(one) / rate - 1) < within]
    return min(near, key=lambda one: abs(float(one) - rate), default=None)
