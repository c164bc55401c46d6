"""The audit trail: one chain, whoever writes; every change to it is seen."""

import asyncio
from typing import Any

import pytest

from services.approvals.domain.audit import Entry
from services.approvals.store.audit import Audit
from tests.unit.approvals.desk import Desk


async def written(desk: Desk, count: int = 12) -> None:
    """Entries by three writers at once, as three replicas would write them."""
    writers = [Audit(desk.ground.database, desk.ground.clock) for _ in range(3)]
    await asyncio.gather(*(writers[n % 3].add(Entry("pat", "decide", f"a{n}", {"n": n})) for n in range(count)))


async def state(desk: Desk) -> Any:
    """What the API says of the chain."""
    return (await desk.as_("ada").get("/audit/state")).json()


class TestAudit:
    async def test_three_writers_make_one_chain(self, desk: Desk) -> None:
        await written(desk)
        assert await state(desk) == {"intact": True, "entries": 12, "brokenAt": None, "reason": None}
        page = (await desk.as_("ada").get("/audit", params={"limit": 5})).json()
        rest = (await desk.as_("ada").get("/audit", params={"cursor": page["nextCursor"]})).json()
        subjects = [one["subject"] for one in [*page["items"], *rest["items"]]]
        assert sorted(subjects) == sorted(f"a{n}" for n in range(12))
        assert rest["nextCursor"] is None

    @pytest.mark.parametrize(
        ("change", "broken_at"),
        [
            ({"$set": {"who": "quinn"}}, "000000000007"),
            ({"$set": {"detail": {"n": 0}}}, "000000000007"),
            ({"$set": {"hash": "0" * 64}}, "000000000007"),
            ({"$set": {"prev": "0" * 64}}, "000000000007"),
        ],
    )
    async def test_a_change_is_seen(self, desk: Desk, change: Any, broken_at: str) -> None:
        await written(desk)
        await desk.ground.database["audit"].update({"_id": "000000000007"}, change)
        found = await state(desk)
        assert (found["intact"], found["brokenAt"], found["entries"]) == (False, broken_at, 6)

    async def test_a_removal_is_seen(self, desk: Desk) -> None:
        await written(desk)
        await desk.ground.database["audit"].delete({"_id": "000000000003"})
        found = await state(desk)
        assert (found["brokenAt"], found["reason"]) == ("000000000003", "is missing: 000000000004 comes in its place")

    async def test_a_replaced_entry_is_seen_at_the_next(self, desk: Desk) -> None:
        await written(desk)
        seventh = (await desk.docs("audit", _id="000000000007"))[0]
        await desk.ground.database["audit"].delete({"_id": seventh["_id"]})
        other = Audit(desk.ground.database, desk.ground.clock)
        other._last = (6, seventh["prev"])  # noqa: SLF001 (a forger would do as much)
        await other.add(Entry("quinn", "decide", "a6"))
        assert (await state(desk))["brokenAt"] == "000000000008"
