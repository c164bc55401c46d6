"""The same behaviour over a real MongoDB and RabbitMQ, and how long a large run takes."""

import asyncio
import json
import time
from typing import Any

from services.approvals.store.feed import Feed
from shared.contracts.sequencer import TaskReady
from shared.ids import new_id
from tests.unit.approvals import (
    test_access,
    test_audit,
    test_deciding,
    test_feed,
    test_looking,
    test_orders,
    test_quarantine,
    test_runs,
    test_submitting,
    test_tasks,
)
from tests.unit.approvals.desk import Desk, attempt, task, verdict

MANY = 20_000


class TestSubmitting(test_submitting.TestSubmitting):
    """As in memory."""


class TestDeciding(test_deciding.TestDeciding):
    """As in memory."""


class TestOrders(test_orders.TestOrders):
    """As in memory."""


class TestTasks(test_tasks.TestTasks):
    """As in memory."""


class TestFeed(test_feed.TestFeed):
    """As in memory."""


class TestAccess(test_access.TestAccess):
    """As in memory."""


class TestAudit(test_audit.TestAudit):
    """As in memory."""


class TestQuarantine(test_quarantine.TestQuarantine):
    """As in memory."""


class TestRuns(test_runs.TestRuns):
    """As in memory."""


class TestLogs(test_looking.TestLogs):
    """As in memory."""


async def test_a_tree_of_20_000_costs_a_few_times_its_bare_documents(desk: Desk) -> None:
    """Processor time beside that of reading and writing out the same documents, so a slow machine is no failure."""
    run = new_id()
    await desk.put("tasks", task(run, phase="expanded", children=MANY))
    for at in range(1, MANY + 1, 5_000):
        ids = [f"{run}.{n}" for n in range(at, at + 5_000)]
        await desk.put("tasks", *(task(name, phase="completed", description="x" * 200) for name in ids))
        await desk.put("attempts", *(attempt(name) for name in ids))
        await desk.put("verdicts", *(verdict(name) for name in ids))
    times: dict[str, float] = {}
    answers: dict[str, Any] = {}
    began = time.process_time()
    for kind in ("tasks", "attempts", "verdicts"):
        json.dumps(await desk.docs(kind), default=str)
    floor = time.process_time() - began
    for name, path in (
        ("root", f"/tasks/{run}"),
        ("tree", f"/tasks/{run}?tree=full"),
        ("page", f"/tasks?run={run}"),
        ("roots", "/tasks?roots=true"),
    ):
        began = time.process_time()  # of API and client together; what else the machine does must not count
        answers[name] = await desk.as_("vic").get(path)
        times[name] = time.process_time() - began
    size = len(answers["tree"].content) / 2**20
    took = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items())
    print(f"\n{MANY} tasks: {took} of processor time, floor {floor:.2f} s; the tree has {size:.1f} MB")
    assert answers["root"].json()["counts"] == {"expanded": 1, "completed": MANY}
    assert len(answers["tree"].json()["children"]) == MANY
    assert times["tree"] < 4 * floor


async def test_two_replicas_write_one_feed(desk: Desk) -> None:
    run = new_id()
    feeds = [Feed(desk.ground.database, desk.ground.clock, lambda _: None) for _ in range(2)]
    batches = [[TaskReady(run_id=run, attempts=(f"{run}.{n}.{k}:1",)) for k in range(40)] for n in range(20)]
    await asyncio.gather(*(feeds[n % 2].append(batch) for n, batch in enumerate(batches)))
    docs = await feeds[0].after(run, 0, limit=1_000)
    assert [doc["seq"] for doc in docs] == list(range(1, 801))
    assert len({doc["data"]["attempts"][0] for doc in docs}) == 800
