"""What every `make test` plays of the faults of RabbitMQ and MongoDB: one of each kind, on one rig."""

import asyncio
import random
import time

import aio_pika

from tests.faults.bench import Bench, scenario
from tests.faults.scenarios_broker import Tap, confirm_lost, kill_broker
from tests.faults.scenarios_store import killed, reply_lost, stepped_down


@scenario("backends-short", proxied=True, limit=120)
async def backends_short(bench: Bench) -> None:
    """RabbitMQ and MongoDB: connections reset, replies lost, messages doubled, an election, and each killed once."""
    rig = bench.rig
    async with bench.load(lanes=2):
        for command in ("insert", "update", "findAndModify"):
            await reply_lost(bench, command)
        await confirm_lost(bench, "task.ready")
        await rig.proxy.clear()
        bench.notes["connections ended"] = await rig.proxy.close_all("broker")
        bench.struck("reset of connections")
        await rig.ready()
        await doubled(bench)
        primary = await rig.store.primary()
        bench.struck("step-down")
        await stepped_down(rig, primary)
        began = time.time()
        primary = await rig.store.primary()
        await asyncio.gather(kill_broker(rig), killed(primary))
        await asyncio.gather(rig.broker.start(), rig.store.start_member(primary))
        bench.struck("RabbitMQ and the primary killed", began, end=time.time())
        await rig.ready()


async def doubled(bench: Bench) -> None:
    """Three seconds in which messages come again and late."""
    tap = Tap(random.Random(2))  # noqa: S311 (the same choice every time)
    async with await aio_pika.connect(bench.rig.broker.url) as connection:
        await tap.listen(connection)
        began = time.time()
        await asyncio.sleep(3)
        await tap.close()
    bench.struck("duplicates", began, end=time.time())
    bench.notes["messages said again"] = tap.said
