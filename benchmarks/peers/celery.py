"""Celery: a chord and a chain through RabbitMQ, results in MongoDB, done by one worker with a pool of threads."""
# mypy: ignore-errors
# Its library is in the peer's own environment, not in the one that is checked.

import os
import sys
import tempfile
import uuid
from contextlib import closing
from pathlib import Path

from celery import Celery, chord
from celery import chain as chained
from pymongo import MongoClient

from benchmarks.peers import protocol, servers

ENV = ("PEER_BROKER_URL", "PEER_STORE_URL", "PEER_QUEUE")
POOL = ("--pool", "threads", "--concurrency", "16")
PATIENCE = 3_600
LOOK_SECONDS = 0.01
SETTINGS = {
    "worker_prefetch_multiplier": 64,
    "result_chord_retry_interval": 0.3,
    "result_chord_join_timeout": 60.0,
    "result_cache_max": 200_000,
}
DURABLE = (
    "Tasks are persistent messages of a durable classic queue, published without confirms and acknowledged before they run, "
    "so that a worker that dies loses what it had begun; results are in MongoDB by majority and journaled. All are its defaults."
)

app = Celery("peer")
app.conf.update(SETTINGS)


def database(queue: str) -> str:
    """Its name, for a queue's results."""
    return queue.replace(".", "_")


def configure(broker_url: str, store_url: str, queue: str) -> None:
    """The same for the worker and for its client; database and queue are this run's own."""
    app.conf.update(
        broker_url=broker_url, result_backend=store_url, task_default_queue=queue, mongodb_backend_settings={"database": database(queue)}
    )


if set(ENV) <= set(os.environ):
    configure(*(os.environ[name] for name in ENV))


@app.task(name="peer.same")
def same(number: int) -> int:
    """A task of the fan."""
    return number


@app.task(name="peer.joined")
def joined(numbers: list[int]) -> int:
    """The join: it is given all results."""
    return len(set(numbers))


@app.task(name="peer.raised")
def raised(number: int) -> int:
    """A link of the chain."""
    return number + 1


def fan(count: int) -> int:
    """A chord of `count` tasks."""
    return chord(same.s(number) for number in range(count))(joined.s()).get(timeout=PATIENCE, interval=LOOK_SECONDS)


def chain(count: int) -> int:
    """A chain of `count` tasks."""
    return chained(raised.s(0), *(raised.s() for _ in range(count - 1)))().get(timeout=PATIENCE, interval=LOOK_SECONDS)


def hears() -> bool:
    """Whether the worker listens on its queue."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        return channel.queue_declare(app.conf.task_default_queue, durable=True, auto_delete=False).consumer_count > 0


def main() -> None:
    """One worker with its pool, and this program as its client."""
    asked = protocol.asked(__doc__)
    given = dict(zip(ENV, (asked.broker_url, asked.store_url, f"peer.celery.{uuid.uuid4().hex[:8]}"), strict=True))
    configure(*given.values())
    worker = [sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery", "worker", *POOL]
    worker += ["--loglevel", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    about = protocol.About("celery", "celery", DURABLE, SETTINGS | {"worker": " ".join(POOL), "queue": "classic, durable"})
    with tempfile.TemporaryDirectory() as root, closing(MongoClient(asked.store_url)) as store:
        try:
            with servers.running(worker, log=Path(root) / "worker.log", env=given, ready=hears):
                protocol.measure(about, asked, fan=fan, chain=chain)
        finally:
            store.drop_database(database(app.conf.task_default_queue))
            with app.connection_for_write() as connection, connection.channel() as channel:
                channel.queue_delete(app.conf.task_default_queue)


if __name__ == "__main__":
    main()
