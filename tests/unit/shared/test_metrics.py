"""What every service says of itself: known labels are there at 0, the store is timed, and looking costs little."""

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock
from shared.errors import StoreUnavailable
from shared.ids import made_at, new_id
from shared.memory.store import MemoryDatabase
from shared.storage.measured import MeasuredDatabase
from shared.storage.port import Doc, Where
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.sampling import SAMPLE_SECONDS, SHARE, sample_forever


class Enough(Exception):
    """The test has seen what it wanted to see."""


class ByHand(ServerClock):
    """A clock that passes when it is asked to sleep, or told to."""

    def __init__(self, *, most: int) -> None:
        super().__init__()
        self.at = 0.0
        self.slept: list[float] = []
        self._most = most

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        if len(self.slept) == self._most:
            raise Enough


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics(CollectorRegistry())


def value(metrics: ServiceMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_what_may_happen_is_there_before_it_does(metrics: ServiceMetrics) -> None:
    metrics.handles("task.ready")
    metrics.hears("task.ready", waiting=lambda: 3, oldest=lambda: 1.5)
    metrics.says(["task.executed"])
    metrics.rescues(["lease"])
    assert value(metrics, "taskgrove_events_heard_total", event="task.ready") == 0
    assert value(metrics, "taskgrove_handler_failures_total", event="task.ready") == 0
    assert value(metrics, "taskgrove_events_waiting", event="task.ready") == 3
    assert value(metrics, "taskgrove_events_oldest_seconds", event="task.ready") == 1.5
    assert value(metrics, "taskgrove_events_said_total", event="task.executed") == 0
    assert value(metrics, "taskgrove_sweep_rescued_total", what="lease") == 0
    assert value(metrics, "taskgrove_store_failures_total", operation="find") == 0


async def test_the_store_is_timed_and_its_failures_are_counted(metrics: ServiceMetrics) -> None:
    database = MeasuredDatabase(MemoryDatabase(ServerClock()), metrics)
    await database["things"].insert([{"_id": "1", "state": "new"}, {"_id": "2", "state": "new"}])
    assert await database["things"].count_by({}, "state") == {"new": 2}
    assert [doc["_id"] for doc in await database["things"].find({"state": "new"}, sort=(("_id", -1),), limit=1)] == ["2"]
    assert value(metrics, "taskgrove_store_seconds_count", operation="insert") == 1
    assert value(metrics, "taskgrove_store_seconds_count", operation="find") == 1
    assert value(metrics, "taskgrove_store_failures_total", operation="find") == 0


async def test_a_store_that_is_away_is_a_failure(metrics: ServiceMetrics) -> None:
    class Away(MemoryDatabase):
        def __getitem__(self, name: str) -> "Nothing":  # type: ignore[override]
            return Nothing(name)

    class Nothing:
        def __init__(self, name: str) -> None:
            self.name = name

        async def count(self, where: Where) -> int:
            raise StoreUnavailable(f"{self.name} is away: {where}")

    with pytest.raises(StoreUnavailable):
        await MeasuredDatabase(Away(ServerClock()), metrics)["things"].count({})
    assert value(metrics, "taskgrove_store_failures_total", operation="count") == 1


async def test_the_longer_a_look_takes_the_more_rarely_it_happens() -> None:
    clock = ByHand(most=3)
    takes = iter([0.0, 0.2, 1.0])

    async def look() -> None:
        clock.at += next(takes)

    with pytest.raises(Enough):
        await sample_forever(look, clock)
    assert clock.slept == pytest.approx([SAMPLE_SECONDS, 0.2 / SHARE, 1.0 / SHARE])


async def test_a_store_that_is_away_ends_no_sampling() -> None:
    clock = ByHand(most=2)
    looks: list[Doc] = []

    async def look() -> None:
        looks.append({})
        raise StoreUnavailable("away")

    with pytest.raises(Enough):
        await sample_forever(look, clock)
    assert len(looks) == 2


def test_an_id_says_when_it_was_made() -> None:
    assert made_at("0198f0c2aaaa7bbb8ccc0123456789ab") == 0x0198F0C2AAAA / 1000
    assert made_at(new_id())
    assert made_at("somebody else's") is None
    assert made_at("0198f0c2aaaa4bbb8ccc0123456789ab") is None
