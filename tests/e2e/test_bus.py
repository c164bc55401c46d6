"""The bus as other programs use it: a published event starts a run, and what is no event harms nobody."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import aio_pika

from shared.ids import new_id
from tests.e2e.grove import ROOT, Grove, until

EXAMPLE = ROOT / "examples" / "publish_event.py"
GUIDE = ROOT / "docs" / "how-to" / "publish-an-event.md"
NOTES = "# Small\n## Say it\n- check-contains: summary: hello\n\n```sh\necho hello\n```\n"
HEARERS = {"planner", "approvals"}


def submitted(**data: Any) -> dict[str, Any]:
    """A `task.submitted` as a CloudEvent."""
    return {"specversion": "1.0", "id": new_id(), "source": "/tests", "type": "dev.taskgrove.task.submitted.v1", "data": data}


async def publish(grove: Grove, body: bytes, *, message_id: str) -> None:
    """Put it on the exchange."""
    async with await aio_pika.connect(grove.state.publisher_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange("taskgrove.events", ensure=False)
        await exchange.publish(aio_pika.Message(body, message_id=message_id, delivery_mode=2), "task.submitted", timeout=10)


def test_the_guide_shows_the_example() -> None:
    assert f"```python\n{EXAMPLE.read_text(encoding='utf-8')}```" in GUIDE.read_text(encoding="utf-8")


async def test_the_example_starts_a_run(grove: Grove, tmp_path: Path) -> None:
    (tmp_path / "small.md").write_text(NOTES)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), str(tmp_path / "small.md")),
        env={**os.environ, "TASKGROVE_BROKER_URL": grove.state.publisher_url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    run_id = printed.decode().strip()
    watched = await grove.cli("watch", run_id, "--json")
    assert watched.status == 0, watched.said
    async with grove.client() as client:
        root = await client.task(run_id)
    assert (root.status, root.title) == ("Completed", "Small")
    audit = await until(lambda: grove.docs("audit", subject=run_id), what="an entry in the audit")
    assert [entry["who"] for entry in audit] == ["publish_event.py"]


async def test_an_event_published_twice_is_one_run(grove: Grove) -> None:
    run_id = new_id()
    event = submitted(runId=run_id, notes=[{"name": "small.md", "text": NOTES}])
    body = json.dumps([event, event]).encode()
    await publish(grove, body, message_id="one")
    await publish(grove, body, message_id="two")
    watched = await grove.cli("watch", run_id)
    assert watched.status == 0, watched.said
    assert len(await grove.docs("tasks", run_id=run_id)) == 2
    assert len(await grove.docs("attempts", run_id=run_id)) == 2


async def test_what_is_no_event_is_put_aside_with_its_reason_and_its_neighbours_are_heard(grove: Grove) -> None:
    run_id = new_id()
    good = submitted(runId=run_id, notes=[{"name": "small.md", "text": NOTES}])
    no_run, wrong_notes = submitted(notes=[]), submitted(runId=new_id(), notes="text")
    bodies = {
        "not-json": (b"{ nothing", "not JSON"),
        "binary": (b"\x00\xff\xfe", "not JSON"),
        "malformed": (json.dumps([good, {"type": "dev.taskgrove.task.submitted.v1"}]).encode(), "not a CloudEvent 1.0"),
        "unknown-type": (json.dumps({**good, "type": "dev.taskgrove.task.sumbitted.v1"}).encode(), "is not known"),
        "not-heard": (json.dumps({**good, "type": "dev.taskgrove.task.completed.v1"}).encode(), "task.completed.v1"),
        "no-run": (json.dumps(no_run).encode(), "runId: Field required"),
        "wrong-schema": (json.dumps(wrong_notes).encode(), "notes"),
        "bad-id": (json.dumps(submitted(runId="../../etc", notes=[])).encode(), "cannot be the id of a run"),
    }
    for name, (body, _) in bodies.items():
        await publish(grove, body, message_id=name)

    watched = await until(lambda: grove.docs("tasks", run_id=run_id, parent_id=None, phase="completed"), what="the neighbour")
    assert watched
    listed = await _all_aside(grove, set(bodies))
    for name, (_, reason) in bodies.items():
        of_it = [item for item in listed if item["messageId"] == name]
        assert [item["reason"] for item in of_it if reason not in item["reason"]] == []
        assert {item["routingKey"] for item in of_it} == {"task.submitted"}
    await _shown_and_discarded(grove, listed)


async def _all_aside(grove: Grove, names: set[str]) -> list[dict[str, Any]]:
    """What lies in quarantine, once every hearer has put everything there that it could not use."""

    async def all_there() -> bool:
        found = {(doc["message_id"], doc["service"]) for doc in await grove.docs("quarantine")}
        return {(name, service) for name in names for service in HEARERS} <= found

    await until(all_there, what="everything in quarantine")
    listed = await grove.cli("quarantine", "list", "--json")
    assert listed.status == 0, listed.said
    return list(listed.json["items"])


async def _shown_and_discarded(grove: Grove, listed: list[dict[str, Any]]) -> None:
    odd = next(item["quarantineId"] for item in listed if item["messageId"] == "wrong-schema")
    shown = await grove.cli("quarantine", "show", odd, "--json")
    assert json.loads(shown.json["body"])["data"]["notes"] == "text"
    replayed = await grove.cli("quarantine", "replay", odd, "--json")
    assert replayed.status == 0, replayed.said
    await until(lambda: grove.docs("quarantine", message_id="wrong-schema"), what="what is still wrong, back in quarantine")
    async with grove.client() as client:
        while items := (await client.quarantine()).items:
            for item in items:
                await client.discard(item.quarantine_id)
