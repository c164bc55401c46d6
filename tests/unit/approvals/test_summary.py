"""How far a run is, group by group; and that many who look cost one reading."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from services.approvals.domain.summary import Below, Counting, Summary
from services.approvals.store.reads import Reads
from services.approvals.summaries import REST, SMALL, Summaries
from services.approvals.web.run_head import progress_of
from shared.clock import ServerClock
from shared.contracts.phases import Phase
from shared.ids import new_id
from shared.storage.port import Database, Doc
from tests.unit.approvals.desk import Desk, attempt, model_call, task, until

RUN = "r" * 32


def summarize(*tasks: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]] = ()) -> Summary:
    """Of a whole run, counted a task and an attempt at a time."""
    counting = Counting(RUN)
    for one in (task(RUN, phase="expanded"), *tasks):
        counting.tasks([one])
    for one in attempts:
        counting.attempts([one])
    return counting.summary()


class TestSummarize:
    def test_each_group_counts_what_is_below_it(self) -> None:
        summary = summarize(
            task(f"{RUN}.1", kind="group", phase="expanded"),
            task(f"{RUN}.1.1", phase="completed"),
            task(f"{RUN}.1.2", phase="ready"),
            task(f"{RUN}.2", phase="failed"),
            task(f"{RUN}.3", phase="awaiting_approval"),
            attempts=[attempt(f"{RUN}.1.2", state="running", usage={})],
        )
        assert summary.of(f"{RUN}.1").phases == {Phase.COMPLETED: 1, Phase.RUNNING: 1}
        root = summary.of(RUN)
        assert (root.total, root.ended, root.lost, root.active, root.asking) == (5, 2, 1, 1, 1)
        assert summary.of(f"{RUN}.2").total == 0

    def test_what_a_group_cost_is_the_sum_of_what_is_known(self) -> None:
        summary = summarize(
            task(f"{RUN}.1"),
            task(f"{RUN}.2"),
            attempts=[attempt(f"{RUN}.1", usage={"seconds": 2.0, "usd": 0.5}), attempt(f"{RUN}.2", usage={"seconds": 1.0})],
        )
        usage = summary.of(RUN).usage
        assert (usage["seconds"], usage["usd"], usage["promptTokens"]) == (3.0, 0.5, None)

    def test_a_sum_is_the_same_in_whatever_order(self) -> None:
        attempts = [attempt(f"{RUN}.{number}", usage={"seconds": number * 0.100003, "usd": number * 0.000017}) for number in range(1, 200)]
        found = []
        for these in (attempts, attempts[::-1], sorted(attempts, key=lambda one: str(one["_id"]))):
            counting = Counting(RUN)
            counting.attempts(these)
            found.append(counting.summary().of(RUN).usage)
        assert found[0] == found[1] == found[2]

    def test_what_was_paid_for_what_is_there_no_more_counts_around_it(self) -> None:
        counting = Counting(RUN)
        counting.tasks([task(RUN, phase="expanded"), task(f"{RUN}.1")])
        counting.attempts([attempt(f"{RUN}.1", usage={"seconds": 1.0}), attempt(f"{RUN}.2.1", usage={"seconds": 10.0})])
        counting.calls([model_call(f"{RUN}.2.1", usd=5.0)])
        usage = counting.summary().of(RUN).usage
        assert (usage["seconds"], usage["usd"]) == (11.0, 5.0)


class TestProgress:
    def test_says_in_words_what_the_bar_shows(self) -> None:
        below = Below({Phase.COMPLETED: 5, Phase.FAILED: 1, Phase.RUNNING: 2, Phase.ESCALATED: 1, Phase.BLOCKED: 1})
        progress = progress_of(below)
        assert progress.words == "5 of 10 done, 1 failed or cancelled, 2 running, 1 waiting for a person"
        assert [(part.tone, part.start, part.width) for part in progress.parts] == [
            ("good", 0, 50),
            ("bad", 50, 10),
            ("active", 60, 20),
            ("wait", 80, 10),
        ]

    def test_nothing_below_is_an_empty_bar(self) -> None:
        assert progress_of(Below()).parts == []


class CountingReads(Reads):
    """Reads that note how often a whole run was read, which takes a second and waits until it may."""

    def __init__(self, database: Database, time: list[float] | None = None) -> None:
        super().__init__(database)
        self.time = time or [0.0]
        self.whole = 0
        self.open = asyncio.Event()
        self.open.set()

    async def summary(self, run_id: str) -> Summary:
        self.whole += 1
        await self.open.wait()
        self.time[0] += 1.0
        return await super().summary(run_id)


async def begun(desk: Desk, *phases: str) -> tuple[str, Doc, CountingReads, Summaries]:
    """A run with a task in each of these phases: its id and root, and its summaries over reads that are counted."""
    run = new_id()
    root = task(run, phase="expanded")
    await desk.put("tasks", root, *(task(f"{run}.{number}", phase=phase) for number, phase in enumerate(phases, 1)))
    reads = CountingReads(desk.ground.database)
    return run, root, reads, Summaries(reads, desk.ground.clock)


class TestSummaries:
    async def test_many_who_look_at_once_read_once(self, desk: Desk) -> None:
        run, root, reads, summaries = await begun(desk, "ready")
        found: list[Summary] = await asyncio.gather(*(summaries.of(root) for _ in range(20)))
        assert {one.of(run).total for one in found} == {1}
        assert reads.whole == 1

    async def test_the_end_of_a_run_is_seen_at_once_and_read_once(self, desk: Desk) -> None:
        run, root, reads, summaries = await begun(desk, "ready")
        await summaries.of(root)
        await desk.ground.database["tasks"].update({"_id": f"{run}.1"}, {"$set": {"phase": "completed"}})
        ended = {**root, "phase": "completed", "version": 9}
        assert (await summaries.of(ended)).of(run).phases == {Phase.COMPLETED: 1}
        await summaries.of(ended)
        assert reads.whole == 2

    async def test_a_small_run_is_counted_anew_for_those_who_ask_for_it(self, desk: Desk) -> None:
        run, root, reads, summaries = await begun(desk, "ready")
        await asyncio.gather(*(summaries.of(root, fresh=True) for _ in range(20)))
        assert reads.whole <= 2, "who ask together are told together"
        await desk.ground.database["tasks"].update({"_id": f"{run}.1"}, {"$set": {"phase": "completed"}})
        assert (await summaries.of(root, fresh=True)).of(run).phases == {Phase.COMPLETED: 1}

    async def test_nobody_waits_for_the_next_summary_of_a_large_run(self, desk: Desk) -> None:
        run = new_id()
        root = task(run, phase="expanded")
        await desk.put("tasks", root, *(task(f"{run}.{number}", phase="ready") for number in range(1, SMALL + 2)))
        time = [1000.0]
        reads = CountingReads(desk.ground.database, time)
        summaries = Summaries(reads, ServerClock(monotonic=lambda: time[0]))

        async def ready() -> int:
            return (await summaries.of(root, fresh=True)).of(run).phases[Phase.READY]

        assert await ready() == SMALL + 1
        await desk.ground.database["tasks"].update({"_id": f"{run}.1"}, {"$set": {"phase": "completed"}})
        time[0] += REST - 0.1
        assert (await ready(), reads.whole) == (SMALL + 1, 1), "good for eight times as long as it took"
        time[0] += 0.2
        reads.open.clear()
        assert (await ready(), await ready()) == (SMALL + 1, SMALL + 1), "the old one, while one reads the next"
        await asyncio.sleep(0)
        time[0] += 3 * REST
        assert (await asyncio.wait_for(ready(), 1), reads.whole) == (SMALL + 1, 2), "however long that takes: the run may have grown"
        reads.open.set()
        await until(lambda: _is(ready, SMALL))
        time[0] += 20 * REST
        await desk.ground.database["tasks"].update({"_id": f"{run}.2"}, {"$set": {"phase": "completed"}})
        assert await ready() == SMALL - 1, "what is older than that is shown to nobody"

    async def test_what_ends_after_its_run_is_seen(self, desk: Desk) -> None:
        run = new_id()
        time = [1000.0]
        reads, clock = CountingReads(desk.ground.database, time), ServerClock(monotonic=lambda: time[0])
        summaries, root = Summaries(reads, clock), task(run, phase="cancelled", finished_at=clock.now())
        await desk.put("tasks", root, task(f"{run}.1", phase="ready"))
        assert (await summaries.of(root)).of(run).phases == {Phase.READY: 1}
        await desk.ground.database["tasks"].update({"_id": f"{run}.1"}, {"$set": {"phase": "cancelled"}})
        time[0] += 60
        assert (await summaries.of(root)).of(run).phases == {Phase.CANCELLED: 1}
        time[0] += 3_600
        await summaries.of(root)
        assert reads.whole == 2, "by then nothing changes any more"
        await summaries.of({**root, "phase": "expanded", "version": 9})
        assert reads.whole == 3, "but when it is done again"


async def _is(what: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await what() == wanted
