"""A thousand schedules on each run of the tests; `make simulate` lives through twenty thousand."""

import re

import pytest

from tests.simulation.commands import simulate
from tests.simulation.regressions import KEPT, Kept

SCHEDULES = 1_000
LEAST_FAULTS = 1_000
LEAST_COMPLETED = 0.3


def test_a_thousand_schedules_violate_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    done = simulate("--schedules", str(SCHEDULES), "--shrink", "1")
    with capsys.disabled():
        print(f"\n{done.stdout.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SCHEDULES} schedules in" in done.stdout
    faults = re.search(r"(\d+) faults:", done.stdout)
    completed = re.search(r"([\d.]+) % of them completed", done.stdout)
    assert faults
    assert int(faults[1]) >= LEAST_FAULTS
    assert completed
    assert float(completed[1]) >= 100 * LEAST_COMPLETED, "it came to an end, but hardly anything was done"


def test_plans_in_pages_violate_nothing() -> None:
    done = simulate("--schedules", "600", "--workload", "paging")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: f"{kept.seed}-{kept.sweep}")
def test_what_was_found_once_is_not_found_again(kept: Kept) -> None:
    faults = ",".join(str(number) for number in kept.faults)
    done = simulate("--seed", str(kept.seed), "--sweep", kept.sweep, "--keep", faults, "--workload", kept.workload)
    assert done.returncode == 0, f"{kept.found}\n{done.stdout[-5_000:]}{done.stderr}"


def test_a_message_that_is_lost_where_nobody_says_it_again_is_seen() -> None:
    done = simulate("--seed", "1", "--sweep", "off", "--mute", "task.ready")
    assert done.returncode == 1
    assert "VIOLATED: NotOver" in done.stdout
