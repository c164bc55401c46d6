"""Of which runs traces are sent: of the share that is asked for, whole runs, the same ones in every service."""

import pytest

from shared.ids import new_id
from shared.telemetry.otlp import provider

RUNS = 5_000


def sampled(service: str, ratio: float, runs: list[str]) -> list[bool]:
    """Which of these runs this service sends spans of."""
    made = provider(service, "http://127.0.0.1:9", ratio=ratio)
    try:
        return [made.sampler.should_sample(None, int(run, 16), "task").decision.is_sampled() for run in runs]
    finally:
        made.shutdown()


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 0.9])
def test_the_share_of_runs_is_the_ratio(ratio: float) -> None:
    taken = sampled("executor", ratio, [new_id() for _ in range(RUNS)])
    assert sum(taken) / RUNS == pytest.approx(ratio, abs=0.03)


def test_all_or_none_of_them() -> None:
    runs = [new_id() for _ in range(100)]
    assert (sum(sampled("executor", 1.0, runs)), sum(sampled("executor", 0.0, runs))) == (100, 0)


def test_services_choose_the_same_runs() -> None:
    runs = [new_id() for _ in range(RUNS)]
    assert sampled("executor", 0.5, runs) == sampled("planner", 0.5, runs)
