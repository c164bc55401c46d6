"""A private mongod and RabbitMQ really start, keep what was acknowledged over a restart and a kill, and leave nothing behind."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aio_pika
import psutil
import pytest
from pymongo import AsyncMongoClient

from shared.errors import Unavailable
from taskgrove.local.mongod import Mongod
from taskgrove.local.parts import Program, find_mongod, find_rabbitmq
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit
from taskgrove.local.supervisor import SERVICES


@pytest.fixture
async def mongod(parts_directory: Path) -> AsyncIterator[Mongod]:
    node = mongod_on(assign(["mongod"], kept={})["mongod"], parts_directory)
    await node.start()
    yield node
    await node.stop()


def mongod_on(port: int, directory: Path) -> Mongod:
    return Mongod(find_mongod(), directory / "own-mongod", port=port, log=directory / "own-mongod.log")


async def test_store_keeps_its_data_when_killed_even_on_another_port(mongod: Mongod, parts_directory: Path) -> None:
    async with AsyncMongoClient(mongod.url, w="majority", journal=True) as client:
        await client.kept.things.insert_one({"_id": 1})
    assert mongod.child
    os.kill(mongod.child.pid, signal.SIGKILL)
    await mongod.child.wait()
    moved = mongod_on(assign(["mongod"], kept={})["mongod"], parts_directory)
    await moved.start()
    async with AsyncMongoClient(moved.url, w="majority") as client:
        assert await client.kept.things.find_one() == {"_id": 1}
        await client.kept.things.insert_one({"_id": 2})
    await moved.stop()


async def test_a_store_that_cannot_start_says_what_it_wrote(tmp_path: Path) -> None:
    script = tmp_path / "mongod"
    script.write_text("#!/bin/sh\necho no space left on device; exit 3\n")
    script.chmod(0o755)
    node = Mongod(Program(script), tmp_path / "data", port=1, log=tmp_path / "mongod.log")
    with pytest.raises(Unavailable, match=r"ended with status 3(.|\n)*mongod\.log(.|\n)*no space left on device"):
        await node.start()


class Deadly(dict[str, str]):
    """Passwords of users; `deed` is done when that of a service is taken, which is in the middle of granting."""

    deed: Callable[[], None] = staticmethod(lambda: None)

    def __getitem__(self, user: str) -> str:
        if user in SERVICES:
            self.deed()
        return super().__getitem__(user)


async def test_a_store_that_dies_while_its_users_are_granted_says_so(parts_directory: Path) -> None:
    directory = parts_directory / "dying-mongod"
    passwords = Deadly(dict.fromkeys(("admin", *SERVICES), "secret"))
    log = parts_directory / "dying-mongod.log"
    node = Mongod(find_mongod(), directory, port=assign(["mongod"], kept={})["mongod"], log=log, passwords=passwords)

    def kill() -> None:
        assert node.child
        os.kill(node.child.pid, signal.SIGKILL)

    passwords.deed = kill
    with pytest.raises(Unavailable, match=r"mongod did not become ready(.|\n)*Is the disk full\?(.|\n)*dying-mongod\.log"):
        await node.start()
    await node.stop()


async def test_broker_keeps_its_messages_and_takes_every_process_with_it(parts_directory: Path) -> None:
    home = parts_directory / "own-rabbitmq"
    home.mkdir()
    ports = assign(["amqp", "dist", "epmd"], kept={})
    node = Rabbit(find_rabbitmq(), home / "data", ports=ports, log=home / "rabbitmq.log")
    await node.start()
    async with await aio_pika.connect(node.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"kept", delivery_mode=2), queue.name, timeout=10)
    started = [psutil.Process(child.pid) for child in node.children]
    started += [below for process in started for below in process.children(recursive=True)]
    await node.stop()
    assert not [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    await node.start()
    async with await aio_pika.connect(node.url) as connection:
        channel = await connection.channel()
        message = await (await channel.get_queue("kept")).get(timeout=10)
        assert message
        assert message.body == b"kept"
        await message.ack()
    await node.stop()
