"""One durable topic exchange, one quorum queue a service, one queue for what the broker gave up on: all derived from who hears what."""

from collections import defaultdict

from shared.contracts.base import Event, type_names
from shared.messaging.port import Queue

EXCHANGE = "taskgrove.events"
DEAD_EXCHANGE = "taskgrove.dead"
DEAD_QUEUE = "taskgrove.dead"
DELIVERY_LIMIT = 30
MOST_MESSAGES = 200_000


def queue_of(service: str) -> str:
    """The queue that a service hears."""
    return f"taskgrove.{service}"


def queues() -> list[Queue]:
    """Every queue of the house. All services declare all of it, so that whoever speaks first is heard by those who start last."""
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
