"""One durable topic exchange, one quorum queue a service, one queue for what the broker gave up on: all derived from who hears what."""

from collections import defaultdict
from typing import Any

from shared.contracts.base import Event, type_names
from shared.messaging.port import Queue

EXCHANGE = "taskgrove.events"
DEAD_EXCHANGE = "taskgrove.dead"
DEAD_QUEUE = "taskgrove.dead-letters"
"""Not the exchange's name: whoever may send dead letters must not be able to bind their queue to what it hears."""
DELIVERY_LIMIT = 30
HEARS_THE_DEAD = "approvals"


def queue_of(service: str) -> str:
    """The queue that a service hears."""
    return f"taskgrove.{service}"


def own_queues(service: str) -> list[str]:
    """The queues that this service hears, and nobody else."""
    return [queue_of(service), *([DEAD_QUEUE] if service == HEARS_THE_DEAD else [])]


def arguments(queue: Queue) -> dict[str, Any]:
    """Explicit, because the defaults differ between RabbitMQ 3.10, 3.13, 4.0 and 4.3."""
    if queue.dead:
        return {"x-queue-type": "quorum"}
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": queue.most,
    }


def queues() -> list[Queue]:
    """Every queue of the house. Who may declares all of it, so that whoever speaks first is heard by those who start last."""
    keys: dict[str, list[str]] = defaultdict(list)
    for event in events():
        for service in event.heard_by:
            keys[service].append(event.name)
    return [
        *(Queue(queue_of(service), tuple(sorted(names))) for service, names in sorted(keys.items())),
        Queue(DEAD_QUEUE, ("#",), dead=True),
    ]


def events() -> list[type[Event]]:
    """Every event that is declared, once its speakers' files are loaded."""
    from shared.contracts import approvals, checker, executor, planner, sequencer  # noqa: F401, PLC0415 (loading declares)

    return list(type_names.values())
