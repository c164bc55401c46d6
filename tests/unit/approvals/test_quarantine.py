"""Messages that could not be used: looked at, mended by time and replayed, or thrown away; and what the broker gave up on."""

import json
from urllib.parse import quote

from services.approvals.store.quarantined import message_of
from shared.contracts.sequencer import TaskReady
from shared.ids import new_id
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.messaging.codec import encode
from shared.messaging.port import Message
from shared.messaging.quarantine import MOST_BODY
from shared.messaging.topology import queues
from tests.unit.approvals.desk import Desk, until

POISON = Message("task.ready", b'{"specversion": "1.0"}', "m/1", "application/cloudevents+json")


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
        message = encode([event], service="sequencer")
        for body, number in ((message.body.decode(), "whole"), (json.dumps({"type": event.type, "data": event.wire()}), "handler")):
            doc = {"service": "approvals", "message_id": f"m-{number}", "routing_key": "task.ready", "body": body, "body_bytes": len(body)}
            await desk.put("quarantine", {"_id": number, **doc, "headers": {}, "reason": "r", "count": 1, "at": desk.ground.clock.now()})
            assert (await desk.as_("ada").post(f"/quarantine/{number}/replay")).status_code == 200
        await until(lambda: _fed(desk, event.run_id, 2))
        assert await desk.docs("quarantine") == []
        assert [entry["subject"] for entry in await desk.docs("audit", what="quarantine.replay")] == ["whole", "handler"]

    async def test_what_still_cannot_be_used_comes_back(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        assert (await desk.as_("ada").post(f"/quarantine/{quote(identifier, safe='')}/replay")).status_code == 200
        await until(lambda: _count(desk, 1))

    async def test_the_replay_is_marked(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        message = message_of((await desk.docs("quarantine", _id=identifier))[0], by="ada")
        assert (message.message_id, message.routing_key, message.headers) == ("m/1", "task.ready", {"x-replay": "ada"})

    async def test_what_was_cut_cannot_be_replayed(self, desk: Desk) -> None:
        doc = {
            "service": "s",
            "message_id": "m",
            "routing_key": "task.ready",
            "body": "x",
            "body_bytes": MOST_BODY + 1,
            "headers": {},
            "reason": "r",
        }
        await desk.put("quarantine", {"_id": "big", **doc, "count": 1, "at": desk.ground.clock.now()})
        answer = await desk.as_("ada").post("/quarantine/big/replay")
        assert answer.status_code == 422
        assert "only discarded" in answer.json()["detail"]

    async def test_without_a_broker_it_stays(self, desk: Desk) -> None:
        identifier = await quarantined(desk, POISON)
        await desk.ground.broker.stop()
        answer = await desk.as_("ada").post(f"/quarantine/{quote(identifier, safe='')}/replay")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert len(await desk.docs("quarantine")) == 1


async def test_what_the_broker_gave_up_on_is_kept(desk: Desk) -> None:
    exchange = desk.ground.broker._exchange  # type: ignore[attr-defined]  # noqa: SLF001 (the twin's way to let a message die)
    assert isinstance(exchange, MemoryExchange)
    other = MemoryBroker(exchange)
    await other.start(queues())
    exchange.route(POISON, dead=True)
    await until(lambda: _count(desk, 1))
    doc = (await desk.docs("quarantine"))[0]
    assert (doc["service"], doc["routing_key"]) == ("broker", "task.ready")
    assert "never acked" in doc["reason"]


async def _count(desk: Desk, count: int) -> bool:
    return len(await desk.docs("quarantine")) == count


async def _fed(desk: Desk, run_id: str, count: int) -> bool:
    return len(await desk.docs("feed", run_id=run_id)) == count
