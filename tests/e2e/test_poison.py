"""Poison of every kind into the queue of every service: put aside with a clear reason or passed over, and nobody behind it is held up."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from shared.contracts.plan import NotesFile
from shared.ids import new_id
from taskgrove.client import Client
from tests.e2e.grove import Grove, until
from tests.e2e.poison import IGNORED, KINDS, SERVICES, SLICES, Kind, data_of, event
from tests.e2e.raw_amqp import RawPublisher, properties, short
from tests.rabbitmqctl import queues

NOTES = NotesFile(name="small.md", text="# Small\n## Say it\n- check-contains: summary: hello\n\n```sh\necho hello\n```\n")
SECONDS = 20.0


@pytest.fixture
async def raw(grove: Grove) -> AsyncIterator[RawPublisher]:
    """Someone who can send anything; what lies in quarantine afterwards is thrown away."""
    publisher = await RawPublisher.connect(grove.state.broker_url)
    yield publisher
    publisher.close()
    async with grove.client() as client:
        for item in (await client.quarantine()).items:
            await client.discard(item.quarantine_id)


async def a_good_run(client: Client) -> None:
    """It goes through all five queues, behind the poison."""
    run = await client.submit(notes=[NOTES])
    assert (await client.wait(run.run_id, timeout=SECONDS)).status == "Completed"


async def aside(grove: Grove, services: set[str]) -> list[dict[str, Any]]:
    """What lies in quarantine, once these services have put something there."""

    async def all_there() -> bool:
        return services <= {doc["service"] for doc in await grove.docs("quarantine")}

    await until(all_there, seconds=SECONDS, what=f"something of {sorted(services)} in quarantine")
    return await grove.docs("quarantine")


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
async def test_it_is_put_aside_or_passed_over_and_nobody_is_held_up(grove: Grove, raw: RawPublisher, kind: Kind) -> None:
    for service in SERVICES:
        message = kind.make(service, f"{kind.name[:20]} {service}")
        await raw.publish(f"taskgrove.{service}", message.body, message.properties)
    async with grove.client() as client:
        await a_good_run(client)
    expected = {service: reason for service in SERVICES if (reason := kind.reason(service)) != IGNORED}
    docs = await aside(grove, set(expected))
    found = {doc["service"]: doc["reason"] for doc in docs}
    assert {service: reason for service, reason in found.items() if expected.get(service, "nothing") not in reason} == {}
    assert found.keys() == expected.keys()
    assert [doc["count"] for doc in docs] == [1] * len(expected), "each is there once, and is not delivered again"
    assert await grove.is_ready()


async def test_a_handler_that_breaks_is_tried_three_times_and_its_event_is_put_aside(grove: Grove, raw: RawPublisher) -> None:
    """An import whose documents cannot be read: what all five services hear, and what raises in all of their handlers."""
    import_id = new_id()
    broken = [{"_id": f"{import_id}#{number}", "import_id": import_id, "slice": name} for number, name in enumerate(SLICES.values())]
    async with AsyncMongoClient[dict[str, Any]](grove.state.store_url) as mongo:
        await mongo[grove.state.store_name]["imports"].insert_many([{**part, "docs": [{"_id": "x", "at": "no date"}]} for part in broken])
    for service in SERVICES:
        imported = event(service, {"runId": new_id(), "importId": import_id}, type="dev.taskgrove.run.imported.v1")
        await raw.publish(f"taskgrove.{service}", json.dumps(imported).encode(), properties(message_id=short(b"broken")))
    async with grove.client() as client:
        await a_good_run(client)
    docs = await aside(grove, set(SERVICES))
    assert sorted(doc["service"] for doc in docs) == sorted(SERVICES)
    assert {doc["reason"] for doc in docs} == {"its handler failed: ValueError: Invalid isoformat string: 'no date'"}
    assert {doc["count"] for doc in docs} == {1}


async def test_good_events_beside_a_bad_one_are_carried_out(grove: Grove, raw: RawPublisher) -> None:
    run_id = new_id()
    submitted = event("planner", {"runId": run_id, "notes": [NOTES.wire()]}, type="dev.taskgrove.task.submitted.v1")
    body = json.dumps([{"type": 7}, submitted, event("planner", {"runId": 1})]).encode()
    await raw.publish("taskgrove.planner", body, properties(message_id=short(b"mixed")))
    async with grove.client() as client:
        assert (await client.wait(run_id, timeout=SECONDS)).status == "Completed"
    await until(lambda: _count(grove, 2), seconds=SECONDS, what="both bad events in quarantine")


async def test_two_messages_with_one_id_are_both_kept_and_one_said_twice_is_kept_once(grove: Grove, raw: RawPublisher) -> None:
    for body in (b"{ one", b"{ other", b"{ one"):
        await raw.publish("taskgrove.checker", body, properties(message_id=short(b"the same")))

    async def all_there() -> bool:
        docs = await grove.docs("quarantine", message_id="the same")
        return sorted((doc["body"], doc["count"]) for doc in docs) == [("{ one", 2), ("{ other", 1)]

    await until(all_there, seconds=SECONDS, what="two entries, one of them counted twice")


async def test_what_is_put_aside_can_be_replayed_and_comes_back_as_what_it_was(grove: Grove, raw: RawPublisher) -> None:
    odd = "odd/id%2F?#\n\0$.ü"
    await raw.publish("taskgrove.executor", json.dumps(event("executor", [])).encode(), properties(message_id=short(odd.encode())))
    (doc,) = await aside(grove, {"executor"})
    async with grove.client() as client:
        replayed = await client.replay(doc["_id"])
        assert (replayed.message_id, replayed.replays) == (odd, 1)
        await until(lambda: _came(grove, doc["_id"], 2), seconds=SECONDS, what="its return")
        back = await client.quarantined(doc["_id"])
        assert (back.replays, back.replayed, back.replay_by, back.service) == (1, False, "local", "executor")
    entries = await grove.docs("audit", what="quarantine.replay", subject=doc["_id"])
    assert [entry["who"] for entry in entries] == ["local"]


async def test_by_the_command_line_it_is_listed_shown_replayed_and_discarded(grove: Grove, raw: RawPublisher) -> None:
    sent = event("checker", {"runId": new_id(), "attempts": "no list"})
    await raw.publish("taskgrove.checker", json.dumps(sent).encode(), properties(message_id=short(b"by-hand")))
    (doc,) = await aside(grove, {"checker"})
    shown = await grove.cli("quarantine", "show", doc["_id"], "--json")
    assert json.loads(shown.json["body"]) == sent
    assert (await grove.cli("quarantine", "replay", doc["_id"])).status == 0
    await until(lambda: _came(grove, doc["_id"], 2), seconds=SECONDS, what="its return")
    listed = await grove.cli("quarantine", "list", "--json")
    assert [(one["messageId"], one["count"], one["replays"]) for one in listed.json["items"] if one["service"] == "checker"] == [
        ("by-hand", 2, 1)
    ]
    assert (await grove.cli("quarantine", "discard", doc["_id"], "--json")).json == {"discarded": doc["_id"]}
    assert await grove.docs("quarantine", service="checker") == []
    entries = await grove.docs("audit", subject=doc["_id"])
    assert [entry["what"] for entry in entries] == ["quarantine.replay", "quarantine.discard"]


async def test_a_hint_about_nothing_leaves_a_line_in_the_log(grove: Grove, raw: RawPublisher) -> None:
    hinted = ("sequencer", "executor", "checker")
    run_id = new_id()
    for service in hinted:
        message = json.dumps(event(service, data_of(service, run_id))).encode()
        await raw.publish(f"taskgrove.{service}", message, properties(message_id=short(b"nothing")))

    async def all_said() -> bool:
        logs = [(grove.root / "logs" / f"{service}.log").read_text(encoding="utf-8") for service in hinted]
        return all(any("hint.unknown" in line and run_id in line for line in log.splitlines()) for log in logs)

    await until(all_said, seconds=SECONDS, what="a line in each log")


async def test_none_of_it_is_left_in_a_queue(grove: Grove) -> None:
    """Neither waiting nor unacked: whatever was sent before this has found its end."""

    async def queues_are_empty() -> bool:
        return set((await queues(grove.state.processes["rabbitmq"].pid)).values()) == {0}

    await until(queues_are_empty, seconds=SECONDS, what="empty queues")


async def _count(grove: Grove, count: int) -> bool:
    return len(await grove.docs("quarantine")) == count


async def _came(grove: Grove, identifier: str, count: int) -> bool:
    return [doc["count"] for doc in await grove.docs("quarantine", _id=identifier)] == [count]
