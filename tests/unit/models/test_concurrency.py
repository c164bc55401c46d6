"""No more calls at once than the endpoint stands, by turns over runs; what waits for its turn has not asked yet, and fails by no clock."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock
from shared.errors import BadInput
from shared.memory.store import MemoryDatabase
from shared.models import open_model
from shared.models.ledger import Ledger
from shared.models.metrics import ModelMetrics
from shared.models.port import About, Question, Reply, Turn
from shared.models.settings import ModelSettings
from shared.settings import read
from shared.telemetry.traces import NoTraces
from shared.turns import Deadline, Turns, timed_by
from tests.unit.models.wire import settings


class Slow:
    """A model that takes its time, and notes who asked and how many did at once."""

    name = "m"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at_once = self.most = 0
        self.order: list[str] = []

    async def ask(self, _question: Question, about: About, *, seconds: float) -> Reply:
        self.order.append(about.run_id)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        async with asyncio.timeout(seconds):
            await asyncio.sleep(self.seconds)
        self.at_once -= 1
        return Reply("yes")

    async def close(self) -> None:
        """Nothing to let go of."""


def ledger(model: Slow, most: int) -> Ledger:
    database = MemoryDatabase(ServerClock())
    return Ledger(model, database["test_calls"], ServerClock(), ModelMetrics(CollectorRegistry()), NoTraces(), Turns(most))


async def ask(model: Any, run: str, number: int) -> Reply:
    reply: Reply = await model.ask(Question((Turn("user", str(number)),)), About(run, f"{run}.{number}", "test"), seconds=1.0)
    return reply


async def test_a_small_run_is_asked_for_before_all_of_a_big_one() -> None:
    model = Slow(0.005)
    kept = ledger(model, 2)
    async with asyncio.TaskGroup() as group:
        big = [group.create_task(ask(kept, "big", number)) for number in range(40)]
        await asyncio.sleep(0.001)
        group.create_task(ask(kept, "small", 1))
    assert (model.most, len(model.order)) == (2, 41)
    assert model.order.index("small") <= 6
    assert all(task.result().text == "yes" for task in big)


async def test_the_time_of_a_task_goes_on_only_while_it_is_asked_for() -> None:
    kept = ledger(Slow(0.1), 1)

    async def attempt(number: int) -> Reply:
        async with asyncio.timeout(0.3) as clock:
            with timed_by(Deadline(clock)):
                return await ask(kept, "run", number)

    replies = await asyncio.gather(*(attempt(number) for number in range(6)))
    assert len(replies) == 6, "the last one had waited longer than it may take"
    rows = await kept.calls.find({})
    assert max(float(row["seconds"]) for row in rows) < 0.3, "nor does it count as the model's"


async def test_what_is_known_needs_no_turn() -> None:
    kept = ledger(Slow(0.0), 1)
    await ask(kept, "run", 1)
    async with kept.turns.one("other"):
        assert (await asyncio.wait_for(ask(kept, "run", 1), 1)).reused


def test_the_setting_reaches_the_ledger() -> None:
    registry = CollectorRegistry()
    opened = open_model(
        settings(concurrency=7), MemoryDatabase(ServerClock()), ServerClock(), registry=registry, traces=NoTraces(), service="test"
    )
    assert opened is not None
    assert opened.turns._free == 7  # noqa: SLF001 (nobody else needs to see it)
    assert registry.get_sample_value("taskgrove_model_calls_waiting") == 0


@pytest.mark.parametrize("given", ["0", "-1", "many", "1.5", "100001"])
def test_what_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TASKGROVE_MODEL_CONCURRENCY", given)
    with pytest.raises(BadInput, match=f"TASKGROVE_MODEL_CONCURRENCY={given}"):
        read(ModelSettings)


def test_by_default_there_is_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_MODEL_CONCURRENCY", "")
    assert read(ModelSettings).concurrency is None
