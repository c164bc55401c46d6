"""Where only Docker is at hand, store and broker run from their images, over the same directory and ports."""

import subprocess
from pathlib import Path

import aio_pika
import pytest
from pymongo import AsyncMongoClient

from taskgrove.local.docker import container_name
from taskgrove.local.mongod import Mongod
from taskgrove.local.parts import MONGO_IMAGE, RABBIT_IMAGE, Image
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit

pytestmark = pytest.mark.containers


def running(name: str) -> bool:
    listed = subprocess.run(["docker", "ps", "--quiet", "--filter", f"name={name}"], capture_output=True, check=True)
    return bool(listed.stdout.strip())


async def test_store_from_its_image_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    directory = tmp_path / "mongod"
    node = Mongod(Image(MONGO_IMAGE), directory, port=assign(["mongod"], kept={})["mongod"], log=tmp_path / "mongod.log")
    for start in range(2):
        await node.start()
        async with AsyncMongoClient(node.url, w="majority") as client:
            assert await client.kept.things.count_documents({}) == start
            await client.kept.things.insert_one({"_id": start})
        await node.stop()
    assert not running(container_name("mongod", directory))


async def test_broker_from_its_image_takes_messages(tmp_path: Path) -> None:
    directory = tmp_path / "rabbitmq"
    ports = assign(["amqp", "dist", "epmd"], kept={})
    node = Rabbit(Image(RABBIT_IMAGE), directory, ports=ports, log=tmp_path / "rabbitmq.log")
    await node.start()
    async with await aio_pika.connect(node.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"kept"), queue.name, timeout=10)
    await node.stop()
    assert not running(container_name("rabbitmq", directory))
