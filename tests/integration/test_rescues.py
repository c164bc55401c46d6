"""What is counted as rescued by a sweep: what a lost message delayed, and nothing of a run in which none was lost."""

from functools import partial

from shared.contracts.sequencer import HINT_SECONDS
from tests.integration.conftest import Open
from tests.integration.faults import losing_firsts
from tests.integration.house import House, work

LONG = work("long", call="sleep", args={"seconds": HINT_SECONDS + 1.5})


def rescued(house: House) -> dict[tuple[str, str], float]:
    """By service, and what it was."""
    found = {}
    for running in house.running:
        for family in running.ground.metrics.registry.collect():
            if family.name == "taskgrove_sweep_rescued":
                found |= {(running.ground.name, sample.labels["what"]): sample.value for sample in family.samples if sample.value}
    return found


async def test_a_task_that_takes_longer_than_a_hint_needs_no_rescue(open_house: Open) -> None:
    async with open_house() as house:
        run = await house.submit([LONG])
        assert await house.ended(run) == "completed", await house.report(run)
        assert rescued(house) == {}


async def test_a_task_whose_hint_was_lost_is_one(open_house: Open) -> None:
    async with open_house(wrap=partial(losing_firsts, kind="task.ready")) as house:
        run = await house.submit([LONG])
        assert await house.ended(run) == "completed", await house.report(run)
        assert rescued(house) == {("executor", "ready"): 1}
