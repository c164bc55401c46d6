"""One seed, one story: the same timeline in every process."""

import pytest

from tests.simulation.commands import simulate


@pytest.mark.parametrize(("seed", "sweep"), [(11, "on"), (12, "off"), (13, "on")])
def test_a_seed_tells_the_same_story_twice(seed: int, sweep: str) -> None:
    first, second = (simulate("--seed", str(seed), "--sweep", sweep, "--logs") for _ in range(2))
    assert first.stdout.count("\n") > 100
    assert first.stdout == second.stdout
    assert first.returncode == second.returncode


def test_another_seed_tells_another() -> None:
    assert simulate("--seed", "11", "--sweep", "on").stdout != simulate("--seed", "12", "--sweep", "on").stdout
