"""A look from within a container of a service: what it tries that is another's, and how broker and store answer."""

import json
from collections.abc import Callable
from typing import Any

from shared.messaging.topology import DEAD_EXCHANGE, EXCHANGE, events, own_queues, queues
from shared.storage.slices import SLICES

LOOK = """
import asyncio, json, os, pathlib, sys
import aio_pika
from aiormq.exceptions import ChannelAccessRefused
from pymongo import MongoClient
from pymongo.errors import OperationFailure

secrets = pathlib.Path(os.environ["TASKGROVE_SECRETS_DIR"])
store, broker = ((secrets / f"taskgrove_{name}_url").read_text().strip() for name in ("store", "broker"))
asked, said = json.loads(sys.argv[1]), {}

def ask(what, do):
    try:
        do()
        said[what] = "done"
    except OperationFailure as error:
        said[what] = error.details["codeName"]

never = {"_id": "a document that nobody makes"}
with MongoClient(store) as client:
    for name in asked["collections"]:
        ask(f"find {name}", lambda: client.taskgrove[name].find_one(never))
        ask(f"delete {name}", lambda: client.taskgrove[name].delete_one(never))
    ask("another database", lambda: client.another.things.insert_one({}))
    ask("a user more", lambda: client.admin.command("createUser", "more", pwd="more", roles=["root"]))

async def on_channel(connection, what, do):
    try:
        async with connection.channel() as channel:
            await do(channel)
        said[what] = "done"
    except ChannelAccessRefused as error:
        said[what] = str(error)

async def look():
    async with await aio_pika.connect(broker) as connection:
        for exchange, key in asked["messages"]:
            async def say(channel):
                there = await channel.get_exchange(exchange, ensure=False)
                await there.publish(aio_pika.Message(b"", delivery_mode=1), key, timeout=10)
            await on_channel(connection, f"say {exchange} {key}", say)
        for name in asked["queues"]:
            async def hear(channel):
                await (await channel.get_queue(name, ensure=False)).get(fail=False)
            await on_channel(connection, f"hear {name}", hear)
        await on_channel(connection, "declare", lambda channel: channel.declare_queue("another", durable=True))

asyncio.run(look())
print(json.dumps(said))
"""


def look(service: str, execute: Callable[[str, str], str]) -> None:
    """Fails where something is not as it should be. `execute` runs a program with one argument in the container of the service."""
    collections = [name for one in SLICES.values() for name in one.owns]
    others = [queue.name for queue in queues() if queue.name not in own_queues(service)]
    messages = [(EXCHANGE, event.name) for event in events() if service not in (event.said_by, "approvals")]
    messages += [(DEAD_EXCHANGE, "task.ready"), *(("", queue.name) for queue in queues())]
    asked = {"collections": collections, "messages": messages, "queues": others}
    said: dict[str, Any] = json.loads(execute(LOOK, json.dumps(asked)))
    mine = SLICES[service]
    may = {f"find {name}" for name in (*mine.owns, *mine.reads)} | {f"delete {name}" for name in mine.owns}
    store = {what: answer for what, answer in said.items() if what.split()[0] in ("find", "delete", "another", "a")}
    assert {what for what, answer in store.items() if answer == "done"} == may
    assert {answer for what, answer in store.items() if what not in may} == {"Unauthorized"}
    broker = {what: answer for what, answer in said.items() if what not in store}
    assert len(broker) == len(messages) + len(others) + 1
    assert {what: answer for what, answer in broker.items() if not answer.startswith("ACCESS_REFUSED")} == {}
