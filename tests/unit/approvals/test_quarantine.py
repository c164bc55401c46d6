"""Messages that could not be used: looked at, mended by time and replayed, or thrown away; and what the broker gave up on."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from services.approvals.store.quarantined import Quarantined, message_of
from shared.contracts.sequencer import TaskReady
from shared.ids import new_id
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.messaging.codec import encode
from shared.messaging.port import Message
from shared.messaging.quarantine import MOST_BODY
from shared.messaging.topology import queues
from tests.unit.approvals.desk import Desk, until

POISON = Message("task.ready", b'{"specversion": "1.0"}', "m/1", "application/cloudevents+json")


class Delivered:
    """A message as a consumer gets it."""

    def __init__(self, message: Message) -> None:
        self.body, self.routing_key, self.message_id = message.body, message.routing_key, message.message_id
        self.headers: Mapping[str, object] = message.headers

    async def ack(self) -> None:
        """Nobody counts."""

    def lost(self) -> bool:
        return False


async def lies(desk: Desk, identifier: str, body: bytes, *, key: str = "task.ready", size: int = 0) -> dict[str, Any]:
    """A message in quarantine, put there by the test; `size` when it was larger than what was kept of it."""
    about = {"service": "approvals", "message_id": f"m-{identifier}", "routing_key": key, "reason": "r", "headers": [], "count": 1}
    doc = {"_id": identifier, **about, "body": body.decode(), "body_bytes": size or len(body), "at": desk.ground.clock.now()}
    await desk.put("quarantine", doc)
    return doc


async def listed(desk: Desk, *, replayed: bool = False) -> list[dict[str, Any]]:
    """What the API lists."""
    return list((await desk.as_("ada").get("/quarantine", params={"replayed": replayed})).json()["items"])


async def quarantined(desk: Desk, message: Message) -> str:
    """The id in quarantine of a message that no service can use."""
    await desk.ground.broker.publish([message])
    await until(lambda: _count(desk, 1))
    return str((await desk.docs("quarantine"))[0]["_id"])


class TestQuarantine:
    async def test_is_listed_shown_and_discarded(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        listed = (await desk.as_("ada").get("/quarantine")).json()["items"]
        assert [(one["quarantineId"], one["messageId"], one["body"]) for one in listed] == [(identifier, "m/1", None)]
        shown = (await desk.as_("ada").get(f"/quarantine/{quote(identifier, safe=':@')}")).json()
        assert json.loads(shown["body"]) == {"specversion": "1.0"}
        assert (await desk.as_("ada").delete(f"/quarantine/{quote(identifier, safe='')}")).status_code == 204
        assert await desk.docs("quarantine") == []
        assert [entry["who"] for entry in await desk.docs("audit", what="quarantine.discard")] == ["ada"]

    async def test_a_replay_is_heard_as_if_it_were_new(self, desk: Desk) -> None:
        event = TaskReady(run_id=new_id(), attempts=("x.1:1",))
        await lies(desk, "m", encode([event], service="sequencer").body)
        replayed = await desk.as_("ada").post("/quarantine/m/replay")
        assert (replayed.status_code, replayed.json()["replayed"], replayed.json()["replayBy"]) == (200, True, "ada")
        await until(lambda: _fed(desk, event.run_id, 1))
        assert await listed(desk) == []
        assert [one["quarantineId"] for one in await listed(desk, replayed=True)] == ["m"], "for a week it can be seen what became of it"
        assert [(entry["who"], entry["subject"]) for entry in await desk.docs("audit", what="quarantine.replay")] == [("ada", "m")]

    async def test_replayed_a_second_time_it_is_not_said_again(self, desk: Desk) -> None:
        event = TaskReady(run_id=new_id(), attempts=("x.1:1",))
        await lies(desk, "m", encode([event], service="sequencer").body)
        first = (await desk.as_("ada").post("/quarantine/m/replay")).json()
        second = await desk.as_("ada").post("/quarantine/m/replay")
        assert (second.status_code, second.json()) == (200, first)
        await until(lambda: _fed(desk, event.run_id, 1))
        await desk.as_("ada").post("/quarantine/m/replay")
        assert len(await desk.docs("audit", what="quarantine.replay")) == 1
        assert len(await desk.docs("feed", run_id=event.run_id)) == 1

    async def test_who_dies_after_saying_it_leaves_it_there_and_the_next_says_it_again(self, desk: Desk) -> None:
        event = TaskReady(run_id=new_id(), attempts=("x.1:1",))
        doc = await lies(desk, "m", encode([event], service="sequencer").body)
        store = Quarantined(desk.ground.database, desk.ground.clock)
        await store.about_to_replay(doc, by="bob")
        await desk.ground.broker.publish([message_of(doc, by="bob")])
        (still,) = await listed(desk)
        assert (still["replayBy"], still["replays"], still["replayed"]) == ("bob", 1, False)
        assert (await desk.as_("ada").post("/quarantine/m/replay")).json()["replays"] == 2
        await until(lambda: _fed(desk, event.run_id, 2))
        assert await listed(desk) == []

    async def test_what_still_cannot_be_used_comes_back_as_what_it_was(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        assert (await desk.as_("ada").post(f"/quarantine/{quote(identifier, safe='')}/replay")).status_code == 200

        async def is_back() -> bool:
            return [one["count"] for one in await listed(desk)] == [2]

        await until(is_back)
        (back,) = await listed(desk)
        assert (back["quarantineId"], back["replays"], back["replayBy"], back["replayed"]) == (identifier, 1, "ada", False)
        assert back["lastAt"] > back["at"]

    async def test_what_comes_of_a_replay_under_another_name_says_of_which(self, desk: Desk) -> None:
        body = b'[{"specversion": "1.0", "no": 1}]'
        await lies(desk, "dead:m", body)
        await desk.as_("ada").post("/quarantine/dead:m/replay")
        await until(lambda: _count(desk, 2))
        (back,) = await listed(desk)
        assert (back["replayOf"], back["messageId"]) == ("dead:m", "m-dead:m")

    async def test_it_comes_back_before_it_is_marked(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        store = Quarantined(desk.ground.database, desk.ground.clock)
        doc = (await desk.docs("quarantine"))[0]
        await desk.ground.quarantine.put(Delivered(POISON), "still no event", {"specversion": "1.0"})
        await store.replayed(doc)
        assert [(one["quarantineId"], one["reason"]) for one in await listed(desk)] == [(identifier, "still no event")]

    async def test_the_replay_is_marked(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        message = message_of((await desk.docs("quarantine", _id=identifier))[0], by="ada")
        assert (message.message_id, message.routing_key) == ("m/1", "task.ready")
        assert message.headers == {"x-replay": "ada", "x-replay-of": identifier}

    async def test_what_is_no_text_is_said_again_byte_for_byte(self, desk: Desk) -> None:
        body = b"\xff\x00{" * 40_000
        await quarantined(desk, Message("task.ready", body, "m", "application/octet-stream"))
        (doc,) = await desk.docs("quarantine")
        assert message_of(doc, by="ada").body == body
        shown = (await desk.as_("ada").get(f"/quarantine/{quote(doc['_id'], safe='')}")).json()
        assert shown["body"].startswith("\\xff\x00{")
        assert len(shown["body"]) < len(body) * 4

    async def test_what_was_put_straight_into_a_queue_is_said_as_what_it_is(self, desk: Desk) -> None:
        body = encode([TaskReady(run_id="r", attempts=("r.1:1",))], service="sequencer").body
        assert message_of(await lies(desk, "m", body, key="taskgrove.executor"), by="ada").routing_key == "task.ready"
        await lies(desk, "n", b"{", key="taskgrove.executor")
        answer = await desk.as_("ada").post("/quarantine/n/replay")
        assert (answer.status_code, "no service hears" in answer.json()["detail"]) == (422, True)

    async def test_what_was_cut_cannot_be_replayed(self, desk: Desk) -> None:
        await lies(desk, "big", b"x", size=MOST_BODY + 1)
        answer = await desk.as_("ada").post("/quarantine/big/replay")
        assert answer.status_code == 422
        assert "only discarded" in answer.json()["detail"]
        assert await desk.docs("audit", what="quarantine.replay") == []

    async def test_what_came_in_again_meanwhile_is_discarded_all_the_same(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        await desk.ground.quarantine.put(Delivered(POISON), "again", {"specversion": "1.0"})
        assert (await desk.as_("ada").delete(f"/quarantine/{quote(identifier, safe='')}")).status_code == 204
        assert await desk.docs("quarantine") == []
        assert (await desk.as_("ada").delete(f"/quarantine/{quote(identifier, safe='')}")).status_code == 404
        assert len(await desk.docs("audit", what="quarantine.discard")) == 1

    async def test_without_a_broker_it_stays(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        await desk.ground.broker.stop()
        answer = await desk.as_("ada").post(f"/quarantine/{quote(identifier, safe='')}/replay")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert len(await desk.docs("quarantine")) == 1


@pytest.mark.parametrize(
    ("headers", "service", "reason"),
    [
        ({}, "broker", "delivered to broker more than 30 times and never acked"),
        ({"x-first-death-queue": "taskgrove.checker", "x-first-death-reason": "delivery_limit"}, "checker", "checker more than 30 times"),
        ({"x-first-death-queue": "taskgrove.checker", "x-first-death-reason": "expired"}, "checker", "had acked it: expired"),
    ],
)
async def test_what_the_broker_gave_up_on_is_kept(desk: Desk, headers: dict[str, str], service: str, reason: str) -> None:
    exchange = desk.ground.broker.exchange  # type: ignore[attr-defined]
    assert isinstance(exchange, MemoryExchange)
    other = MemoryBroker(exchange)
    await other.start(queues())
    exchange.route(replace(POISON, headers=headers), dead=True)
    await until(lambda: _count(desk, 1))
    doc = (await desk.docs("quarantine"))[0]
    assert (doc["service"], doc["routing_key"]) == (service, "task.ready")
    assert reason in doc["reason"]


async def _count(desk: Desk, count: int) -> bool:
    return len(await desk.docs("quarantine")) == count


async def _fed(desk: Desk, run_id: str, count: int) -> bool:
    return len(await desk.docs("feed", run_id=run_id)) == count
