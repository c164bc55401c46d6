"""While the store is away: 503 with Retry-After on every route, nothing half done, and all is well when it is back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.clock import ServerClock
from shared.errors import StoreUnavailable
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.storage.port import Collection
from tests.unit.approvals.browsing import log_in
from tests.unit.approvals.desk import Desk, open_desk
from tests.unit.approvals.test_access import ALLOWED
from tests.unit.approvals.test_pages import fill


class FlakyDatabase(MemoryDatabase):
    """A store that can be away."""

    away = False

    def __getitem__(self, name: str) -> Collection:
        inner: Any = super().__getitem__(name)
        outer = self

        class Flaky:
            """Raises while the store is away."""

            def __getattr__(self, attribute: str) -> Any:
                async def call(*args: Any, **kw: Any) -> Any:
                    if outer.away:
                        raise StoreUnavailable("mongodb://user:secret@host did not answer")
                    return await getattr(inner, attribute)(*args, **kw)

                return call

        flaky: Any = Flaky()
        return flaky  # type: ignore[no-any-return]


@pytest.fixture
async def flaky() -> AsyncIterator[Desk]:
    """A desk whose store can be away."""
    exchange, clock = MemoryExchange(), ServerClock()
    async with open_desk(MemoryBroker(exchange), FlakyDatabase(clock), clock, tap=MemoryBroker(exchange)) as desk:
        yield desk


async def test_every_route_says_so_and_when_to_come_back(flaky: Desk) -> None:
    await flaky.as_("ada").get("/whoami")
    database: Any = flaky.ground.database
    database.inner.away = True
    bodies: dict[tuple[str, str], Any] = {
        ("POST", "/tasks"): {"description": "x"},
        ("PUT", "/tasks/{task_id}"): {"action": "cancel"},
        ("POST", "/approvals"): {"approvalId": "a", "decision": "approve"},
        ("POST", "/principals"): {"name": "n", "roles": ["viewer"]},
    }
    for method, path in ALLOWED:
        if path in ("/whoami", "/artifacts/{sha256}", "/imports"):
            continue
        url = path.replace("{task_id}", "t").replace("{quarantine_id:path}", "q").replace("{name}", "n")
        answer = await flaky.as_("ada").request(method, url, json=bodies.get((method, path)))
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2"), (method, path, answer.text)
        assert "secret" not in answer.text
    assert (await flaky.as_(None).get("/whoami", headers={"Authorization": "Bearer tg_other"})).status_code == 503
    database.inner.away = False
    assert (await flaky.as_("sue").post("/tasks", json={"description": "x"})).status_code == 202
    assert len(await flaky.docs("submissions")) == 1
    assert (await flaky.as_("ada").get("/audit/state")).json()["intact"]


async def test_a_decision_that_was_not_taken_is_still_there_to_be_read(flaky: Desk) -> None:
    approval_id, tab = await fill(flaky), await log_in(flaky, "pat")
    database: Any = flaky.ground.database
    database.inner.away = True
    answer = await tab.send(f"/inbox/{approval_id}", decision="approve", comment="a long reason", digest="d")
    assert (answer.status_code, ">a long reason</pre>" in answer.text) == (503, True)
    database.inner.away = False
    assert (await flaky.docs("approvals"))[0]["decisions"] == []
