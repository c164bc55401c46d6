"""Faults of RabbitMQ: killed, frozen, cut off, purged, wiped, blocked; and a tap that says messages again, later, in another order."""

import asyncio
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from functools import partial

import aio_pika
import psutil
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from shared.errors import TaskgroveError
from shared.messaging.topology import EXCHANGE, queue_of
from taskgrove.local.supervisor import SERVICES
from tests.faults.bench import Bench, scenario
from tests.faults.rig import Rig
from tests.faults.workload import Load, grove
from tests.rabbitmqctl import rabbitmqctl

FROZEN_SECONDS = 20.0
BLOCKED_SECONDS = 20.0
MOST_GROWN = 64 * 2**20
TAPPED = "x-tapped"


async def kill_broker(rig: Rig) -> None:
    """End the node as a crash would."""
    child = rig.broker.child
    assert child, "the broker was not started"
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()


@scenario("broker-kill")
async def broker_kill(bench: Bench) -> None:
    """RabbitMQ is killed four times and is back some seconds later, with what it had on disk."""
    async with bench.load(lanes=3):
        for _ in range(4):
            await asyncio.sleep(2)
            began = time.time()
            await kill_broker(bench.rig)
            await asyncio.sleep(1)
            await bench.rig.broker.start()
            bench.struck("kill of RabbitMQ", began, end=time.time())
            await bench.rig.ready()


@scenario("broker-freeze")
async def broker_freeze(bench: Bench) -> None:
    """RabbitMQ stands still for 20 s: its connections stay open, and nobody answers."""
    child = bench.rig.broker.child
    assert child, "the broker was not started"
    async with bench.load(lanes=3):
        await asyncio.sleep(2)
        began = time.time()
        os.kill(child.pid, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_SECONDS)
        os.kill(child.pid, signal.SIGCONT)
        bench.struck("freeze of RabbitMQ", began, end=time.time())
        await bench.rig.ready()
        await asyncio.sleep(3)


@scenario("broker-connections", proxied=True)
async def broker_connections(bench: Bench) -> None:
    """All connections to RabbitMQ are reset every 2 s for 30 s, then closed once more by RabbitMQ itself."""
    rig, closed = bench.rig, 0
    async with bench.load(lanes=3):
        for _ in range(15):
            await asyncio.sleep(2)
            closed += await rig.proxy.close_all("broker")
            bench.struck("reset of connections")
        await rig.ready()
        await ctl(rig, "close_all_connections", "a test")
        bench.struck("connections closed by RabbitMQ")
        await rig.ready()
        await asyncio.sleep(3)
    bench.notes["connections ended"] = closed
    bench.expect(closed >= 10 * len(rig.services), f"the connections were there to be ended: {closed}")


@scenario("broker-purge", replicas={"sequencer": 1})
async def broker_purge(bench: Bench) -> None:
    """What waits in the queue of a service that is away is purged, for each service twice: the sweep says again what matters."""
    rig, purged = bench.rig, 0
    async with bench.load(lanes=4):
        for service in [*SERVICES] * 2:
            name = f"{service}-0"
            rig.hold(name)
            rig.kill(name)
            await asyncio.sleep(3)
            began = time.time()
            purged += await purge(rig, service)
            rig.release(name)
            bench.struck("purge", began, service=service)
            await rig.ready()
            await asyncio.sleep(1)
    bench.notes["messages purged"] = purged
    bench.expect(purged > 2 * len(SERVICES), f"messages were there to be purged: {purged}")


async def purge(rig: Rig, service: str) -> int:
    """Throw away what waits for a service; how much that was."""
    async with await aio_pika.connect(rig.broker.url) as connection:
        queue = await (await connection.channel()).get_queue(queue_of(service), ensure=False)
        return (await queue.purge()).message_count or 0


@scenario("broker-wipe")
async def broker_wipe(bench: Bench) -> None:
    """RabbitMQ is killed and its data directory wiped, twice: services declare everything anew, and the sweep says again what was lost."""
    rig = bench.rig
    async with bench.load(lanes=4):
        for _ in range(2):
            await asyncio.sleep(3)
            began = time.time()
            await kill_broker(rig)
            shutil.rmtree(rig.home.root / "rabbitmq" / "mnesia")
            await rig.broker.start()
            bench.struck("wipe of RabbitMQ", began, end=time.time())
            await rig.ready()
            await asyncio.sleep(5)


@scenario("broker-blocked", limit=240)
async def broker_blocked(bench: Bench) -> None:
    """RabbitMQ says that it is short of memory and blocks all who publish for 20 s, while clients go on submitting."""
    rig = bench.rig
    async with bench.load(lanes=2) as runs:
        await asyncio.sleep(2)
        before = resident(rig)
        began = time.time()
        await ctl(rig, "set_vm_memory_high_watermark", "0.00001")
        submitting = [asyncio.create_task(submit_often(runs, until=began + BLOCKED_SECONDS)) for _ in range(5)]
        grown: list[int] = []
        while time.time() < began + BLOCKED_SECONDS:
            await asyncio.sleep(1)
            grown.append(max(now - before[name] for name, now in resident(rig).items()))
        accepted = sum(await asyncio.gather(*submitting))
        await ctl(rig, "set_vm_memory_high_watermark", "0.4")
        bench.struck("RabbitMQ blocks", began, end=time.time())
        await rig.ready()
        await asyncio.sleep(3)
    bench.notes["accepted while blocked"] = accepted
    bench.notes["most memory grown, MB"] = round(max(grown) / 2**20, 1)
    bench.expect(max(grown) < MOST_GROWN, f"no service grows by more than {MOST_GROWN} bytes: {max(grown)}")
    bench.expect(accepted > 0, "what is durable in the store is accepted while RabbitMQ blocks")


async def submit_often(runs: Load, *, until: float) -> int:
    """Submit small runs without a pause; how many were accepted."""
    accepted = 0
    while time.time() < until:
        with suppress(TaskgroveError, TimeoutError):
            accepted += await runs.submit() is not None
        await asyncio.sleep(0.5)
    return accepted


def resident(rig: Rig) -> dict[str, int]:
    """The memory of each service."""
    return {name: psutil.Process(kept.pid).memory_info().rss for name, kept in rig.services.items()}


@scenario("broker-half-open", proxied=True)
async def broker_half_open(bench: Bench) -> None:
    """What services and RabbitMQ say to each other is swallowed for 25 s, though the connections stay open."""
    async with bench.load(lanes=3):
        await asyncio.sleep(2)
        began = time.time()
        await bench.rig.proxy.change("broker", swallow=True)
        await asyncio.sleep(25)
        await bench.rig.proxy.clear()
        bench.struck("half-open connections to RabbitMQ", began, end=time.time())
        await bench.rig.ready()
        await asyncio.sleep(3)


@scenario("broker-replies-lost", proxied=True)
async def broker_replies_lost(bench: Bench) -> None:
    """RabbitMQ takes a message and its confirm is lost with the connection: thirty times, whatever is said."""
    rig = bench.rig
    async with bench.load(lanes=3):
        for said in ("task.submitted", "plan.proposed", "task.ready", "task.executed", "task.verified", "task.completed") * 5:
            await confirm_lost(bench, said)
        await rig.proxy.clear()
        await rig.ready()
        await asyncio.sleep(3)
    bench.notes["replies lost"] = lost = await rig.proxy.lost("broker")
    bench.expect(lost >= 20, f"confirms were lost: {lost}")


async def confirm_lost(bench: Bench, said: str) -> None:
    """The next such message is taken, and its confirm is lost; nobody may say it within five seconds."""
    proxy = bench.rig.proxy
    before = await proxy.lost("broker")
    await proxy.change("broker", lose=1, match=said)
    for _ in range(100):
        await asyncio.sleep(0.05)
        if await proxy.lost("broker") > before:
            bench.struck(f"confirm of {said} lost")
            return


@scenario("broker-latency", proxied=True)
async def broker_latency(bench: Bench) -> None:
    """Each way to RabbitMQ and back takes 200 ms more for 15 s."""
    async with bench.load(lanes=3):
        began = time.time()
        await bench.rig.proxy.change("broker", latency=0.2)
        await asyncio.sleep(15)
        await bench.rig.proxy.clear()
        bench.struck("latency of RabbitMQ", began, end=time.time())
        await asyncio.sleep(3)


@scenario("broker-duplicates")
async def broker_duplicates(bench: Bench) -> None:
    """Half of all messages are said again, once to three times, up to 3 s later and so in another order, for 20 s."""
    tap = Tap(random.Random(8))  # noqa: S311 (the same choice every time)
    async with bench.load(lanes=3, make=partial(grove, seconds=0.05)):
        async with await aio_pika.connect(bench.rig.broker.url) as connection:
            await tap.listen(connection)
            began = time.time()
            await asyncio.sleep(20)
            await tap.close()
        bench.struck("duplicates", began, end=time.time())
    bench.notes["messages said again"] = tap.said
    bench.expect(tap.said > 100, f"messages were said again: {tap.said}")


class Tap:
    """An ear beside all queues, that says what it hears again."""

    def __init__(self, dice: random.Random) -> None:
        self.said = 0
        self._closing = False
        self._dice = dice
        self._later: set[asyncio.Task[None]] = set()
        self._exchange: aio_pika.abc.AbstractExchange | None = None

    async def listen(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Hear everything from now on."""
        channel = await connection.channel()
        self._exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(self._exchange, "#")
        await queue.consume(self._hear, no_ack=True)

    async def close(self) -> None:
        """Take nothing new, and say what is still to be said."""
        self._closing = True
        await asyncio.gather(*self._later)

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        if self._closing or TAPPED in message.headers or self._dice.random() < 0.5:
            return
        for _ in range(self._dice.randint(1, 3)):
            task = asyncio.create_task(self._say(message, self._dice.uniform(0, 3)))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    async def _say(self, message: AbstractIncomingMessage, seconds: float) -> None:
        await asyncio.sleep(seconds)
        assert self._exchange, "it listens"
        again = aio_pika.Message(
            message.body, message_id=message.message_id, content_type=message.content_type, headers={**message.headers, TAPPED: "1"},
            correlation_id=message.correlation_id, delivery_mode=message.delivery_mode,
        )  # fmt: skip
        with suppress(AMQPError, RuntimeError):
            await self._exchange.publish(again, message.routing_key or "")
            self.said += 1


async def ctl(rig: Rig, *args: str) -> str:
    """RabbitMQ's own tool."""
    assert rig.broker.child, "the broker was not started"
    return await rabbitmqctl(rig.broker.child.pid, *args)
