"""Leases, on the twin and on MongoDB: who claims, who renews, and whose word no longer counts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock
from shared.ending import end
from shared.errors import StoreUnavailable
from shared.storage.leases import Leases
from shared.storage.port import Change, Collection, Doc, ServerNow, Update, Where
from shared.telemetry.metrics import ServiceMetrics

CLAIM = {"_id": "r.1:1", "task_id": "r.1"}


def leases(things: Collection, owner: str = "one", seconds: float = 5.0) -> Leases:
    return Leases(things, owner=owner, seconds=seconds, clock=ServerClock(), metrics=ServiceMetrics(CollectorRegistry()))


@asynccontextmanager
async def renewing(*holders: Leases) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(holder.renew_forever()) for holder in holders]
    try:
        yield
    finally:
        await end(tasks)


async def until(condition: "asyncio.Event", seconds: float = 5.0) -> None:
    await asyncio.wait_for(condition.wait(), seconds)


class Flaky:
    """A store in front of another that stops answering when told to, before or after it has done what was asked."""

    def __init__(self, collection: Collection) -> None:
        self.name = collection.name
        self._collection = collection
        self.refuses = False
        self.forgets = False

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        return await self._collection.find(where, fields, sort=sort, limit=limit, skip=skip)

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        lost = await self._collection.insert(docs)
        self._answer()
        return lost

    async def update(self, where: Where, change: Change) -> int:
        if self.refuses:
            raise StoreUnavailable("the test's store does not answer")
        return await self._collection.update(where, change)

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        if self.refuses:
            raise StoreUnavailable("the test's store does not answer")
        done = await self._collection.bulk(updates, relaxed=relaxed)
        self._answer()
        return done

    async def take(self, where: Where, change: Change) -> Doc | None:
        return await self._collection.take(where, change)

    async def delete(self, where: Where) -> int:
        return await self._collection.delete(where)

    async def count(self, where: Where) -> int:
        return await self._collection.count(where)

    def _answer(self) -> None:
        if self.forgets:
            raise StoreUnavailable("the answer was lost on the way")


async def test_the_first_to_claim_has_it(things: Collection) -> None:
    one, other = leases(things), leases(things, "other")
    assert await one.claim([CLAIM, {"_id": "r.2:1"}]) == {"r.1:1", "r.2:1"}
    assert await other.claim([CLAIM, {"_id": "r.3:1"}]) == {"r.3:1"}
    (doc,) = await things.find({"_id": "r.1:1"})
    assert (doc["owner"], doc["state"], doc["task_id"]) == ("one", "running", "r.1")
    assert doc["due_at"] > doc["claimed_at"]


async def test_many_claim_at_once_and_each_is_won_once(things: Collection) -> None:
    docs = [{"_id": f"r.{n}:1"} for n in range(50)]
    won = await asyncio.gather(*(leases(things, f"owner {n}").claim(docs) for n in range(4)))
    assert sorted(claim for claims in won for claim in claims) == sorted(doc["_id"] for doc in docs)


async def test_a_claim_whose_answer_was_lost_is_found_again(things: Collection) -> None:
    flaky = Flaky(things)
    holder = leases(flaky)
    flaky.forgets = True
    with pytest.raises(StoreUnavailable):
        await holder.claim([CLAIM])
    flaky.forgets = False
    assert await holder.claim([CLAIM, {"_id": "r.2:1"}]) == {"r.1:1", "r.2:1"}
    holder.hold("r.1:1", lambda: None)
    assert await holder.claim([CLAIM]) == set(), "what runs already is not started again"


async def test_what_was_given_up_while_the_store_was_away_is_not_begun_again(things: Collection) -> None:
    """Its lease may still stand in the store, under our name: it was begun, so it runs out."""
    flaky = Flaky(things)
    holder = leases(flaky, seconds=0.03)
    await holder.claim([CLAIM])
    lost = asyncio.Event()
    holder.hold("r.1:1", lost.set)
    flaky.refuses = True
    async with renewing(holder):
        await until(lost)
    flaky.refuses = False
    assert await holder.claim([CLAIM]) == set()


async def test_a_claim_twice_in_one_batch_is_one(things: Collection) -> None:
    assert await leases(things).claim([CLAIM, CLAIM]) == {"r.1:1"}


async def test_a_finished_attempt_is_not_claimed_again(things: Collection) -> None:
    holder = leases(things)
    await holder.claim([CLAIM])
    holder.hold("r.1:1", lambda: None)
    await holder.finish("r.1:1", {"state": "executed", "result": {"n": 1}})
    assert await holder.claim([CLAIM]) == set()
    (doc,) = await things.find({"_id": "r.1:1"})
    assert doc["state"] == "executed"
    assert doc["result"] == {"n": 1}
    assert "due_at" not in doc
    assert doc["finished_at"]
    assert not holder.held


async def test_what_is_held_outlives_its_first_lease(things: Collection) -> None:
    holder = leases(things, seconds=0.45)
    await holder.claim([CLAIM, {"_id": "r.2:1"}])
    lost: list[str] = []
    holder.hold("r.1:1", lambda: lost.append("r.1:1"))
    async with renewing(holder):
        await asyncio.sleep(0.8)
        overdue = {doc["_id"] for doc in await things.find({"due_at": {"$lte": ServerNow()}})}
    assert overdue == {"r.2:1"}, "only what is held is renewed"
    assert lost == []


async def test_a_lease_that_was_taken_away_is_told_and_its_word_counts_no_more(things: Collection) -> None:
    holder = leases(things, seconds=0.15)
    await holder.claim([CLAIM, {"_id": "r.2:1"}])
    lost = asyncio.Event()
    holder.hold("r.1:1", lost.set)
    holder.hold("r.2:1", lambda: None)
    await things.update({"_id": "r.1:1"}, {"$set": {"state": "lost"}, "$unset": {"due_at": ""}})
    async with renewing(holder):
        await until(lost)
    assert set(holder.held) == {"r.2:1"}
    await holder.finish("r.1:1", {"state": "executed", "result": "the zombie's"})
    (doc,) = await things.find({"_id": "r.1:1"})
    assert doc["state"] == "lost"
    assert "result" not in doc


async def test_another_owners_attempt_cannot_be_finished(things: Collection) -> None:
    await leases(things).claim([CLAIM])
    await leases(things, "other").finish("r.1:1", {"state": "executed"})
    (doc,) = await things.find({"_id": "r.1:1"})
    assert doc["state"] == "running"


async def test_a_store_that_does_not_answer_costs_the_lease_only_when_it_has_run_out(things: Collection) -> None:
    flaky = Flaky(things)
    holder = leases(flaky, seconds=0.3)
    await holder.claim([CLAIM])
    lost = asyncio.Event()
    holder.hold("r.1:1", lost.set)
    flaky.refuses = True
    async with renewing(holder):
        await asyncio.sleep(0.15)
        assert not lost.is_set()
        await until(lost)
    assert not holder.held


async def test_a_finish_that_failed_keeps_the_lease_and_can_be_repeated(things: Collection) -> None:
    flaky = Flaky(things)
    holder = leases(flaky)
    await holder.claim([CLAIM])
    holder.hold("r.1:1", lambda: None)
    flaky.forgets = True
    try:
        await holder.finish("r.1:1", {"state": "executed"})
    except StoreUnavailable:
        flaky.forgets = False
    assert set(holder.held) == {"r.1:1"}
    await holder.finish("r.1:1", {"state": "failed"})
    (doc,) = await things.find({"_id": "r.1:1"})
    assert doc["state"] == "executed", "the first one was written, though its answer was lost"


async def test_what_is_claimed_or_finished_while_others_are_renewed_is_not_taken_for_lost(things: Collection) -> None:
    holder = leases(things, seconds=0.003)
    lost: list[str] = []
    async with renewing(holder):
        for n in range(60):
            claim = f"r.{n}:1"
            await holder.claim([{"_id": claim}])
            holder.hold(claim, lambda claim=claim: lost.append(claim))  # type: ignore[misc]
            if n % 2:
                await holder.finish(claim, {"state": "executed"})
    assert lost == []
    assert len(holder.held) == 30


async def test_an_end_that_is_written_but_not_yet_answered_is_not_taken_for_a_loss(things: Collection) -> None:
    slow = Slow(things)
    holder = leases(slow, seconds=0.06)
    await holder.claim([CLAIM])
    lost: list[str] = []
    holder.hold("r.1:1", lambda: lost.append("r.1:1"))
    finishing = asyncio.create_task(holder.finish("r.1:1", {"state": "executed"}))
    async with renewing(holder):
        await asyncio.sleep(0.2)
    slow.answers.set()
    await finishing
    assert lost == []
    assert not holder.held


class Slow(Flaky):
    """A store that has written long before it says so."""

    def __init__(self, collection: Collection) -> None:
        super().__init__(collection)
        self.answers = asyncio.Event()

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        done = await super().bulk(updates, relaxed=relaxed)
        await self.answers.wait()
        return done
