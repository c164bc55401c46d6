"""A large plan begins while the rest of it is written; a small one when all of it is there."""

from collections.abc import Sequence

import pytest

from services.sequencer import growing
from shared.contracts.base import Event
from shared.contracts.phases import Phase
from shared.contracts.plan import TaskSpec
from shared.contracts.sequencer import TaskReady
from shared.messaging.publisher import Says
from tests.unit.sequencer.interrupted import Bench
from tests.unit.sequencer.tasks import RUN

TASKS = tuple(TaskSpec(key=f"t{number}", title=f"t{number}", agent="python") for number in range(10))
ATTEMPTS = [f"{RUN}.{number}:1" for number in range(1, 11)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "PAGE", 3)
    monkeypatch.setattr(growing, "FIRST", 2)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class Teller:
    """Hears what is told meanwhile, and may do something then."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.told: list[Event] = []
        self.phases: list[Phase] = []

    async def __call__(self, says: Says) -> None:
        self.told += says
        self.phases.append((await self.bench.store.get([RUN]))[RUN].phase)


def attempts(says: Sequence[Event]) -> list[str]:
    return sorted((name for event in says if isinstance(event, TaskReady) for name in event.attempts), key=ATTEMPTS.index)


async def test_each_page_goes_when_it_is_there(bench: Bench) -> None:
    tell = Teller(bench)
    says = await bench.adopts(await bench.plan(*TASKS), tell=tell)
    assert attempts(tell.told) == ATTEMPTS, "each once"
    assert attempts(says) == [], "none again"
    assert tell.phases == [Phase.EXPANDING] * 4, "before all are there"
    assert (await bench.store.get([RUN]))[RUN].phase is Phase.EXPANDED


async def test_a_small_plan_goes_when_all_of_it_is_there(bench: Bench) -> None:
    tell = Teller(bench)
    says = await bench.adopts(await bench.plan(*TASKS[:3]), tell=tell)
    assert (tell.told, attempts(says)) == ([], ATTEMPTS[:3])


@pytest.mark.parametrize("order", [{"paused": True}, {"phase": Phase.CANCELLED, "open": False}, {"epoch": 7}])
async def test_nothing_begins_once_the_task_was_held_or_ended(bench: Bench, order: dict[str, object]) -> None:
    tell = Teller(bench)

    async def tell_and_order(says: Says) -> None:
        await tell(says)
        await bench.store.change({"_id": RUN}, order)

    await bench.adopts(await bench.plan(*TASKS), tell=tell_and_order)
    assert attempts(tell.told) == ATTEMPTS[:2], "after the first page was told of nothing more is"


async def test_what_had_ended_by_then_is_joined(bench: Bench) -> None:
    """Children that are done before their parent knows that it has any."""

    async def done_at_once(says: Says) -> None:
        for event in says:
            assert isinstance(event, TaskReady)
            await bench.judged("passed", *(name.removeprefix(f"{RUN}.").partition(":")[0] for name in event.attempts))

    says = await bench.adopts(await bench.plan(*TASKS), tell=done_at_once)
    assert (await bench.store.get([RUN]))[RUN].phase is Phase.INTEGRATING
    assert [event.attempts for event in says if isinstance(event, TaskReady)] == [(f"{RUN}:1",)]


async def test_nothing_goes_before_what_it_waits_for_is_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan names the join first; what it waits for is done as soon as it is there."""
    monkeypatch.setattr(growing, "PAGE", 1)
    monkeypatch.setattr(growing, "FIRST", 1)
    begun: list[str] = []

    async def done_at_once(says: Says) -> None:
        names = [name.removeprefix(f"{RUN}.").partition(":")[0] for name in attempts(says)]
        begun.extend(names)
        if names:
            await done_at_once(await bench.hears(await bench.verdicts("passed", *names)))

    join = TaskSpec(key="join", title="join", agent="python", after=("t1", "t2"))
    says = await bench.adopts(await bench.plan(join, *TASKS[1:3]), tell=done_at_once)
    assert (begun, attempts(says)) == (["2", "3"], [f"{RUN}.1:1"])


@pytest.mark.parametrize("writes", range(1, 8))
async def test_whoever_dies_over_a_page_leaves_nothing_undone(bench: Bench, writes: int) -> None:
    event = await bench.plan(*TASKS)
    assert not await bench.outlives(lambda bench: bench.adopts(event, tell=Teller(bench)), writes=writes)
    whole = Bench()
    await whole.adopts(await whole.plan(*TASKS), tell=Teller(whole))
    tell = Teller(bench)
    says = [*await bench.adopts(event, tell=tell), *tell.told]
    assert sorted({name for event in says if isinstance(event, TaskReady) for name in event.attempts}, key=ATTEMPTS.index) == ATTEMPTS
    assert await bench.state() == await whole.state()
