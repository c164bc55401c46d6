"""A service one contract version older, or newer, than the others: runs end verified, and what only some know goes through all of them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest

from shared.contracts.plan import NotesFile
from shared.contracts.views import DecisionRequest
from shared.ids import new_id
from shared.messaging.topology import EXCHANGE
from taskgrove.local.home import throw_away_home
from taskgrove.local.supervisor import SERVICES
from tests.e2e.fleet import Fleet, a_fleet
from tests.e2e.grove import ROOT, until
from tests.e2e.next_version import NOTED, next_version
from tests.e2e.orchard import orchard

NOTES = """# Versions
## First

```sh
echo first | tee first.txt
```

## Group
- after: First

### Inner
- agent: python
- call: second_try
- retries: 1

## Last
- integration: yes
- approval: before
- check-file: all.txt

```sh
ls "$TASKGROVE_INPUTS" | tee all.txt
```
"""
COLLECTIONS = ("tasks", "sequences", "plans", "attempts", "verdicts", "approvals", "submissions")
FURTHER = {"fromTheFuture": {"a": [1, None, "x"]}}


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the next version."""
    return next_version(tmp_path_factory.mktemp("next"))


@pytest.fixture
async def fleet(store_url: str, broker_url: str, store_name: str) -> AsyncIterator[Fleet]:
    """No service runs yet."""
    directory = throw_away_home()
    async with a_fleet(directory, store_url=store_url, broker_url=broker_url, store_name=store_name) as fleet:
        yield fleet
    shutil.rmtree(directory, ignore_errors=True)


async def a_run(fleet: Fleet) -> str:
    """A run with a failure, a group and an approval, to its verified end; its id."""
    async with fleet.client() as client:
        run_id = (await client.submit(notes=[NotesFile(name="versions.md", text=NOTES)])).run_id

        async def asked() -> Any:
            return await client.approvals(run=run_id)

        (question,) = await until(asked, what="the question before the last task")
        await client.decide(DecisionRequest(approval_id=question.approval_id, decision="approve"))
        assert (await client.wait(run_id, timeout=60)).status == "Completed"
    assert await fleet.docs("quarantine") == []
    return str(run_id)


@pytest.mark.parametrize("others", ["newer", "older"])
async def test_one_of_five(fleet: Fleet, newer: Path, others: str) -> None:
    """Each of the five in turn is the only one of its version."""
    theirs, its = (newer, ROOT) if others == "newer" else (ROOT, newer)
    await fleet.start(tree=theirs)
    for odd in SERVICES:
        (usual,) = fleet.of(odd)
        await fleet.ready(await fleet.spawn(odd, tree=its))
        usual.signal(15)
        assert await usual.end(seconds=20) == 0
        run_id = await a_run(fleet)
        await _stamped(fleet, run_id, new={service for service in SERVICES if (service == odd) == (others == "older")})
        (its_own,) = fleet.of(odd)
        await fleet.ready(await fleet.spawn(odd, tree=theirs))
        its_own.signal(15)
        assert await its_own.end(seconds=20) == 0


async def _stamped(fleet: Fleet, run_id: str, *, new: set[str]) -> None:
    """What the newer ones wrote has their field, whoever passed it on; the older ones made none up."""
    plans = [task for part in await fleet.docs("plans", run_id=run_id, part=True) for task in part["tasks"]]
    tasks = [task for task in await fleet.docs("tasks", run_id=run_id) if task["parent_id"]]
    results = [attempt["result"] for attempt in await fleet.docs("attempts", run_id=run_id, state="executed")]
    evidence = [seen for verdict in await fleet.docs("verdicts", run_id=run_id) for seen in verdict["evidence"]]
    said = {event["event"]: event["data"] for event in await fleet.docs("feed", run_id=run_id)}
    assert {task.get("stamp") for task in plans} == ({"next"} if "planner" in new else {None})
    if "sequencer" not in new:
        assert {(task.get("further") or {}).get("stamp") for task in tasks} == ({"next"} if "planner" in new else {None})
    assert {result.get("stamp") for result in results} == ({"next"} if "executor" in new else {None})
    assert {seen.get("stamp") for seen in evidence} == ({"next"} if "checker" in new else {None})
    by = {"plan.proposed": "planner", "task.ready": "sequencer", "task.executed": "executor", "task.verified": "checker"}
    for event, service in by.items():
        assert said[event].get("stamp") == ("next" if service in new or "approvals" in new else None), event
    (approval,) = await fleet.docs("approvals", run_id=run_id)
    if "approvals" not in new:
        assert (approval.get("further") or {}).get("stamp") == ("next" if "sequencer" in new else None)


async def test_an_event_that_an_older_service_does_not_know_waits_for_its_upgrade(fleet: Fleet, newer: Path) -> None:
    """It is kept with its reason. Once the service is of the version that knows it, the replay is heard."""
    await fleet.start([name for name in SERVICES if name != "checker"], tree=newer)
    (older,) = await fleet.start(["checker"])
    run_id = await a_run(fleet)
    await _published(fleet, NOTED, "v1", {"runId": run_id, "taskId": run_id})

    async def quarantined() -> Any:
        return await fleet.docs("quarantine")

    (kept,) = await until(quarantined, what="a message in quarantine")
    assert kept["service"] == "checker"
    assert f"dev.taskgrove.{NOTED}.v1' is not known" in kept["reason"]
    assert all(process.said(NOTED) for process in fleet.processes if process is not older)
    older.signal(15)
    assert await older.end(seconds=20) == 0
    (upgraded,) = await fleet.start(["checker"], tree=newer)
    async with fleet.client() as client:
        await client.replay(kept["_id"])

    async def heard() -> bool:
        return bool(upgraded.said(NOTED))

    await until(heard, what="the replay")
    await a_run_goes_on(fleet)


async def a_run_goes_on(fleet: Fleet) -> None:
    """Nothing of it is in the way of the work."""
    async with fleet.client() as client:
        run = await client.submit(notes=[NotesFile(name="small.md", text="# Small\n## One\n\n```sh\ntrue\n```\n")])
        assert (await client.wait(run.run_id, timeout=60)).status == "Completed"


async def test_a_newer_major_version_is_kept_with_its_reason(fleet: Fleet) -> None:
    await fleet.start()
    await _published(fleet, "task.ready", "v2", {"runId": "r", "attempts": []})

    async def quarantined() -> Any:
        return len(found := await fleet.docs("quarantine")) == 2 and found

    kept = await until(quarantined, what="a message in quarantine for each hearer")
    assert {one["service"] for one in kept} == {"executor", "approvals"}
    assert all("task.ready.v2" in one["reason"] and "another version" in one["reason"] and "v1" in one["reason"] for one in kept)
    await a_run_goes_on(fleet)


async def test_what_nobody_knows_survives_in_every_document(fleet: Fleet, tmp_path: Path) -> None:
    """A newer service beside these would keep its own fields in its documents, and in those that it passes on: nobody may drop them."""
    await fleet.start()
    run_id = new_id()
    notes = orchard(tmp_path / "ledger", seconds=0.1)
    event = {"runId": run_id, "notes": [{**notes.wire(), **FURTHER}], "options": {"maxTasks": 100, **FURTHER}, **FURTHER}
    await _published(fleet, "task.submitted", "v1", event)
    stop = asyncio.Event()
    marking = asyncio.create_task(_mark(fleet, run_id, stop))
    async with fleet.client() as client:

        async def there() -> Any:
            return await fleet.docs("submissions", _id=run_id)

        await until(there, what="the submission")
        assert (await client.wait(run_id, timeout=90)).status == "Completed"
    stop.set()
    marked = await marking
    (submission,), (root,) = await fleet.docs("submissions", _id=run_id), await fleet.docs("tasks", _id=run_id)
    (plan,) = await fleet.docs("plans", _id=f"{run_id}@1")
    (news,) = await fleet.docs("feed", run_id=run_id, event="task.submitted")
    for place in (
        submission["event"],
        submission["event"]["notes"][0],
        submission["event"]["options"],
        plan["options"],
        root["options"],
        news["data"],
    ):
        assert place["fromTheFuture"] == FURTHER["fromTheFuture"]
    print(f"\n{len(marked)} documents were marked in the middle of their lives", end="")
    assert len(marked) > 60
    for collection, name in marked:
        (doc,) = await fleet.docs(collection, _id=name)
        assert doc["fromTheFuture"] == FURTHER["fromTheFuture"], (collection, name)


async def _mark(fleet: Fleet, run_id: str, stop: asyncio.Event) -> set[tuple[str, str]]:
    """Put a field into every document as soon as it is there, once; those that had it before their last change come back."""
    assert fleet.store is not None
    marked: set[tuple[str, str]] = set()
    while not stop.is_set():
        for collection in COLLECTIONS:
            documents = fleet.store[fleet.store_name][collection]
            fresh = {"run_id": run_id, "fromTheFuture": {"$exists": False}}
            names = [doc["_id"] async for doc in documents.find(fresh, {"_id": 1}) if (collection, doc["_id"]) not in marked]
            await documents.update_many({"_id": {"$in": names}}, {"$set": FURTHER})
            marked |= {(collection, name) for name in names}
        await asyncio.sleep(0.02)
    return marked


async def _published(fleet: Fleet, name: str, version: str, data: dict[str, Any]) -> None:
    envelope = {"specversion": "1.0", "id": new_id(), "source": "/tests", "type": f"dev.taskgrove.{name}.{version}", "data": data}
    async with await aio_pika.connect(fleet.broker_url) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(EXCHANGE)
        await exchange.publish(aio_pika.Message(orjson.dumps(envelope), message_id=envelope["id"]), name)
