"""The forecast of a run's end, against runs that are played out."""

import pytest

from orchestrator.ledger.forecast import STAGE_ORDER, Pace, seconds_left


def played(clips: int, seconds: dict[str, float], replicas: dict[str, int], stop_at: int) -> tuple[float, float | None]:
    """Play a run out; return the true time left when so many clips were through, and the forecast of that moment."""
    began = {stage: [0.0] * clips for stage in STAGE_ORDER}
    ended = {stage: [0.0] * clips for stage in STAGE_ORDER}
    for number, stage in enumerate(STAGE_ORDER):
        free = [0.0] * replicas[stage]
        for clip in range(clips):
            ready = ended[STAGE_ORDER[number - 1]][clip] if number else 0.0
            slot = min(range(len(free)), key=free.__getitem__)
            began[stage][clip] = max(ready, free[slot])
            free[slot] = ended[stage][clip] = began[stage][clip] + seconds[stage]
    now = sorted(ended[STAGE_ORDER[-1]])[stop_at - 1]
    done = {stage: [clip for clip in range(clips) if ended[stage][clip] <= now] for stage in STAGE_ORDER}
    paces = {
        stage: Pace(len(done[stage]), now - min(began[stage][clip] for clip in done[stage]), seconds[stage])
        for stage in STAGE_ORDER
    }
    waiting = {stage: clips - len(done[stage]) for stage in STAGE_ORDER}
    return max(ended[STAGE_ORDER[-1]]) - now, seconds_left(waiting, paces)


@pytest.mark.parametrize(("slow", "replicas"), [("matting", 1), ("download", 1), ("fine_fit", 3), ("matting", 4)])
def test_the_forecast_of_a_run_with_one_slow_stage_is_near(slow: str, replicas: int) -> None:
    seconds = dict.fromkeys(STAGE_ORDER, 2.0) | {slow: 20.0}
    left, told = played(200, seconds, dict.fromkeys(STAGE_ORDER, 1) | {slow: replicas}, 50)
    assert told == pytest.approx(left, rel=0.15)


def test_a_run_in_which_all_stages_are_alike_is_forecast_too() -> None:
    left, told = played(100, dict.fromkeys(STAGE_ORDER, 5.0), dict.fromkeys(STAGE_ORDER, 2), 20)
    assert told == pytest.approx(left, rel=0.15)


def test_nothing_is_told_before_every_stage_has_shown_its_pace() -> None:
    assert seconds_left({"matting": 3.0}, {"split": Pace(3, 10.0, 3.0)}) is None


def test_nothing_left_takes_no_time() -> None:
    assert seconds_left({}, {}) == 0.0
