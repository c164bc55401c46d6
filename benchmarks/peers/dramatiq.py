"""Dramatiq: a group with its completion callback and a pipeline through RabbitMQ, results and barrier in a private Redis."""
# mypy: ignore-errors
# Its library is in the peer's own environment, not in the one that is checked.

import os
import sys
import tempfile
import uuid
from pathlib import Path

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as Barriers
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as Stored
from redis import Redis

from benchmarks.peers import protocol, servers

ENV = ("PEER_BROKER_URL", "PEER_REDIS_PORT", "PEER_QUEUE")
POOL = ("--processes", "2", "--threads", "2")
PATIENCE_MS = 3_600_000
DEEPEST = 10_000
REDIS = ("redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes")
DURABLE = (
    "Tasks are persistent messages of a durable classic queue, published without confirms and acknowledged when they are done "
    "(both its defaults); results and the group's barrier are in Redis, which may lose its last second."
)


def connect() -> tuple[protocol.Work, protocol.Work]:
    """Set the broker that the environment names, and its actors; the fan and the chain. Each worker process calls it too."""
    sys.setrecursionlimit(DEEPEST)  # the message of a pipeline holds the next one, which holds the next one, …
    broker_url, port, queue = (os.environ[name] for name in ENV)
    redis = Redis(port=int(port), socket_timeout=None)
    broker = RabbitmqBroker(url=broker_url)
    broker.add_middleware(GroupCallbacks(Barriers(client=redis)))
    broker.add_middleware(Results(backend=Stored(client=redis), store_results=True))
    dramatiq.set_broker(broker)

    @dramatiq.actor(queue_name=queue)
    def same(number: int) -> int:
        return number

    @dramatiq.actor(queue_name=queue)
    def joined(run: str, count: int) -> int:
        """The callback is given no results: it fetches all, by ids that follow from the numbers."""
        return len({message.get_result() for message in tasks(run, count)})

    @dramatiq.actor(queue_name=queue)
    def raised(number: int) -> int:
        return number + 1

    def tasks(run: str, count: int) -> list[dramatiq.Message]:
        return [same.message(number).copy(message_id=f"{run}-{number}") for number in range(count)]

    def fan(count: int) -> int:
        run = uuid.uuid4().hex
        group, join = dramatiq.group(tasks(run, count)), joined.message(run, count)
        group.add_completion_callback(join)
        group.run()
        return join.get_result(block=True, timeout=PATIENCE_MS)

    def chain(count: int) -> int:
        links = [raised.message(0), *(raised.message() for _ in range(count - 1))]
        return dramatiq.pipeline(links).run().get_result(block=True, timeout=PATIENCE_MS)

    return fan, chain


def forget() -> None:
    """Delete what this run left in RabbitMQ."""
    broker = dramatiq.get_broker()
    for queue in (*broker.get_declared_queues(), *broker.get_declared_delay_queues(), f"{os.environ[ENV[2]]}.XQ"):
        broker.channel.queue_delete(queue)
    broker.close()


def main() -> None:
    """One pool of workers and one Redis, and this program as their client."""
    asked = protocol.asked(__doc__)
    port = servers.free_port()
    os.environ.update(zip(ENV, (asked.broker_url, str(port), f"peer.dramatiq.{uuid.uuid4().hex[:8]}"), strict=True))
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        worker = [sys.executable, "-m", "dramatiq", "benchmarks.peers.dramatiq:connect", *POOL]
        redis = [*REDIS, "--port", str(port), "--dir", root]
        with servers.running(redis, log=root / "redis.log", ready=lambda: servers.listens(port)):
            settings = {"worker": " ".join(POOL), "Redis": f"{Redis(port=port).info()['redis_version']}, append-only, synced every second"}
            fan, chain = connect()
            try:
                with servers.running(worker, log=root / "worker.log", ready=lambda: True):
                    protocol.measure(protocol.About("dramatiq", "dramatiq", DURABLE, settings), asked, fan=fan, chain=chain)
            finally:
                forget()


if __name__ == "__main__":
    main()
