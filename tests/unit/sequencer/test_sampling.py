"""How many tasks stand where: counted down the open part of all trees, and no further."""

from typing import Any

from prometheus_client import CollectorRegistry

from services.sequencer.metrics import SequencerMetrics
from services.sequencer.sampling import sample
from shared.clock import ServerClock
from shared.memory.store import MemoryDatabase


def task(task_id: str, phase: str, *, opened: bool = True) -> dict[str, Any]:
    parent = task_id.rpartition(".")[0] or None
    return {"_id": task_id, "parent_id": parent, "phase": phase, "open": opened}


async def test_open_tasks_are_counted_by_phase() -> None:
    database, registry = MemoryDatabase(ServerClock()), CollectorRegistry()
    metrics = SequencerMetrics(registry)
    await database["tasks"].insert(
        [
            *(task("a", "expanded"), task("a.1", "expanded"), task("a.1.1", "ready"), task("a.1.2", "blocked"), task("a.2", "ready")),
            *(task("b", "escalated"), task("c", "completed", opened=False), task("c.1", "completed", opened=False)),
        ]
    )
    await sample(database, metrics)

    def tasks(phase: str) -> float | None:
        return registry.get_sample_value("taskgrove_tasks", {"phase": phase})

    assert {phase: tasks(phase) for phase in ("expanded", "ready", "blocked", "escalated", "retrying")} == {
        "expanded": 2,
        "ready": 2,
        "blocked": 1,
        "escalated": 1,
        "retrying": 0,
    }
    assert tasks("completed") is None
    assert registry.get_sample_value("taskgrove_runs") == 2
    await database["tasks"].update({}, {"$set": {"open": False}})
    await sample(database, metrics)
    assert (tasks("ready"), registry.get_sample_value("taskgrove_runs")) == (0, 0)
