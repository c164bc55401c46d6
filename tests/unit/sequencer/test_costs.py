"""What is asked of the store follows what happened, not how much there is beside it, nor its square."""

from typing import Any

import pytest

from shared.clock import ServerClock
from shared.memory.store import MemoryDatabase
from shared.storage.port import Collection, Doc, Where
from tests.unit.sequencer.interrupted import Bench, MortalDatabase, spec


class Counted(MortalDatabase):
    """A database that counts the ids that it is asked for, and the documents that it gives."""

    def __init__(self) -> None:
        super().__init__(MemoryDatabase(ServerClock()))
        self.asked = self.given = 0

    def __getitem__(self, name: str) -> Collection:
        return CountedCollection(super().__getitem__(name), self)


class CountedCollection:
    """One collection of it."""

    def __init__(self, inner: Collection, counted: Counted) -> None:
        self._inner = inner
        self._counted = counted

    async def find(self, where: Where, *args: Any, **kwargs: Any) -> list[Doc]:
        found = await self._inner.find(where, *args, **kwargs)
        self._counted.asked += sum(len(part.get("$in", ())) for part in where.values() if isinstance(part, dict))
        self._counted.given += len(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_failure_that_runs_down_a_chain_is_asked_about_link_by_link() -> None:
    bench, links = Bench(Counted()), 100
    await bench.adopts(await bench.plan(*(spec(f"t{n}", *([f"t{n - 1}"] if n else ()), on_failure="fail") for n in range(links))))
    bench.database.asked = 0
    await bench.judged("failed", "1", error={"code": "failed", "message": "no", "permanent": True})
    assert {state["phase"] for name, state in (await bench.state()).items() if name not in ("", ".1")} == {"cancelled"}
    assert bench.database.asked < 10 * links


@pytest.mark.parametrize("siblings", [10, 200])
async def test_a_verdict_that_comes_again_does_not_read_the_whole_run(siblings: int) -> None:
    bench = Bench(Counted())
    await bench.adopts(await bench.plan(spec("a"), spec("b"), *(spec(f"t{n}", "b") for n in range(siblings))))
    verdicts = await bench.verdicts("passed", "1")
    await bench.hears(verdicts)
    bench.database.given = 0
    await bench.hears(verdicts)
    assert bench.database.given < 10
