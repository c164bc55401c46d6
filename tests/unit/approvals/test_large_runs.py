"""Runs of any size are shown whole, exported and imported a page at a time."""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from services.approvals.api.gate import COPIED
from services.approvals.domain.tree import nested_view
from services.approvals.store.reads import PAGE, WHOLE_PAGE
from shared.clock import ServerClock
from shared.errors import StoreUnavailable, Unavailable
from shared.ids import new_id
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.storage.port import Collection, Doc
from taskgrove.client import Client
from tests.unit.approvals.desk import Desk, attempt, model_call, open_desk, task, verdict
from tests.unit.approvals.test_feed import served

MANY = 620


class WatchedDatabase(MemoryDatabase):
    """A store that keeps the sizes of what is found in it, and can be away for one collection."""

    def __init__(self, clock: ServerClock) -> None:
        super().__init__(clock)
        self.found: dict[tuple[str, bool], list[int]] = defaultdict(list)
        self.away = ""

    def __getitem__(self, name: str) -> Collection:
        inner: Any = super().__getitem__(name)
        outer = self

        class Watched:
            """Looks at what `find` gives."""

            def __getattr__(self, attribute: str) -> Any:
                return getattr(inner, attribute)

            async def find(self, where: Any, fields: Any = (), **more: Any) -> list[Doc]:
                if name == outer.away:
                    raise StoreUnavailable("it did not answer")
                docs: list[Doc] = await inner.find(where, fields, **more)
                outer.found[name, not fields].append(len(docs))
                return docs

        watched: Any = Watched()
        return watched  # type: ignore[no-any-return]


@pytest.fixture
async def store() -> WatchedDatabase:
    return WatchedDatabase(ServerClock())


@pytest.fixture
async def desk(store: WatchedDatabase) -> AsyncIterator[Desk]:
    exchange = MemoryExchange()
    async with open_desk(MemoryBroker(exchange), store, ServerClock(), tap=MemoryBroker(exchange)) as desk:
        yield desk


async def large(desk: Desk) -> str:
    """A finished run: groups in groups, more than a page of tasks, positions that are not in the order of the ids, a second plan."""
    run, now = new_id(), desk.ground.clock.now().replace(microsecond=0)
    ended = {"phase": "completed", "open": False, "created_at": now, "finished_at": now}
    leaves = [f"{run}.1.{n}" for n in range(1, MANY + 1)] + [f"{run}.2.1.v2-{n}" for n in range(1, 13)]
    groups = [f"{run}.1", f"{run}.2", f"{run}.2.1"]
    await desk.put("tasks", task(run, **ended, children=2), *(task(name, **ended, kind="group", children=1) for name in groups))
    after = {name: {"dependencies": [leaves[n - 1]]} for n, name in enumerate(leaves) if n % 7 == 1}
    await desk.put("tasks", *(task(name, **ended, **after.get(name, {})) for name in leaves))
    await desk.put("tasks", task(f"{run}.10", **ended, feeds=[f"{run}.11"]), task(f"{run}.11", **ended, wide=True))
    await desk.put("attempts", *(attempt(name, epoch, claimed_at=now) for name in leaves for epoch in (0, 1)))
    await desk.put("verdicts", *(verdict(name) for name in leaves))
    await desk.put("planner_calls", model_call(run), model_call(f"{run}.7"))
    await desk.put("executor_calls", *(model_call(name) for name in leaves[::3]))
    return run


class TestLargeRuns:
    async def test_a_tree_in_pieces_is_the_tree(self, desk: Desk) -> None:
        run = await large(desk)
        for name in (run, f"{run}.1", f"{run}.2", f"{run}.1.7", f"{run}.11"):
            (top,) = await desk.docs("tasks", _id=name)
            pieces = [piece async for piece in desk.deps.reads.nested(await desk.deps.reads.joined_below(top))]
            expected = nested_view(await desk.deps.reads.branch(top))
            assert orjson.loads(b"".join(pieces)) == orjson.loads(orjson.dumps(expected)), name
            assert (await desk.as_("vic").get(f"/tasks/{name}", params={"tree": "full"})).json() == orjson.loads(orjson.dumps(expected))

    async def test_what_is_taken_away_meanwhile_is_left_out_with_all_below_it(self, desk: Desk) -> None:
        run = await large(desk)
        (top,) = await desk.docs("tasks", _id=run)
        joined = await desk.deps.reads.joined_below(top)
        await desk.ground.database["tasks"].delete({"_id": {"$in": [f"{run}.2.1", f"{run}.1.7"]}})
        tree = orjson.loads(b"".join([piece async for piece in desk.deps.reads.nested(joined)]))
        assert [child["children"] for child in tree["children"] if child["taskId"] == f"{run}.2"] == [[]]
        assert len(tree["children"][0]["children"]) == MANY - 1

    async def test_no_more_than_a_page_is_read_at_once(self, desk: Desk, store: WatchedDatabase) -> None:
        run = await large(desk)
        for path in (f"/tasks/{run}/export", f"/tasks/{run}?tree=full"):
            store.found.clear()
            answer = await desk.as_("vic").get(path)
            assert answer.status_code == 200
            assert sum(store.found["tasks", True]) >= MANY
            sizes = {key: max(counts) for key, counts in store.found.items()}
            assert {key: size for key, size in sizes.items() if size > (WHOLE_PAGE if key[1] else PAGE)} == {}, path
        assert answer.headers["etag"] == '"1"'

    async def test_an_export_that_breaks_off_is_not_taken_for_whole(self, desk: Desk, store: WatchedDatabase) -> None:
        run = await large(desk)
        store.away = "verdicts"
        async with served(desk) as http, Client(str(http.base_url), key=desk.keys["vic"]) as client:
            with pytest.raises(Unavailable, match="broke off its answer"):
                await client.export(run)
            store.away = ""
            assert orjson.loads(await client.export(run))["runId"] == run

    async def test_a_large_body_is_imported(self, desk: Desk) -> None:
        run = await large(desk)
        content = (await desk.as_("vic").get(f"/tasks/{run}/export")).content
        for name in ("tasks", "attempts", "verdicts", "planner_calls", "executor_calls"):
            await desk.ground.database[name].delete({})
        answer = await desk.as_("ada").post("/imports", content=b" " * COPIED + content)
        assert answer.status_code == 201, answer.text
        root = answer.json()
        assert (root["taskId"], root["counts"], root["children"]) == (run, {"completed": MANY + 18}, None)
        (header,) = await desk.docs("imports", run_id=run)
        kept = [doc for part in await desk.docs("imports", import_id=header["header_of"]) for doc in part["docs"]]
        assert len(kept) == sum(len(docs) for docs in orjson.loads(content)["slices"].values())
