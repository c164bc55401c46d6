"""Which attempts may be claimed, and what a task is given of those that ended before it."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.executor.domain import claim_from
from services.executor.store import AttemptStore
from shared.clock import ServerClock
from shared.ids import child_id
from shared.memory.store import MemoryDatabase
from shared.storage.leases import Leases
from shared.telemetry.metrics import ServiceMetrics


def task(task_id: str, *, key: str, after: tuple[str, ...] = (), phase: str = "completed") -> dict[str, Any]:
    fields = {"run_id": "run", "key": key, "title": key.title(), "kind": "work", "agent": "shell", "epoch": 1, "position": 1}
    return {"_id": task_id, **fields, "phase": phase, "dependencies": list(after), "depth": task_id.count(".")}


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase(ServerClock())


@pytest.fixture
def store(database: MemoryDatabase) -> AttemptStore:
    clock, metrics = ServerClock(), ServiceMetrics(CollectorRegistry())
    leases = Leases(database["attempts"], owner="me", seconds=15, clock=clock, metrics=metrics)
    return AttemptStore(database, leases, clock)


@pytest.mark.parametrize("hints", [["run.1:1", "run.1:4"], ["run.1:4", "run.1:1"]])
async def test_of_two_hints_at_one_task_the_newer_counts(database: MemoryDatabase, store: AttemptStore, hints: list[str]) -> None:
    await database["tasks"].insert([task("run.1", key="again", phase="ready") | {"epoch": 4}])
    assert [claim.attempt_id for claim in await store.claimable(hints)] == ["run.1:4"]


async def test_a_task_sees_what_the_groups_around_it_waited_for(database: MemoryDatabase, store: AttemptStore) -> None:
    group, inner = child_id("run", 1, 3), child_id("run.3", 1, 2)
    leaf = task(f"{inner}.2", key="leaf", after=(f"{inner}.1",), phase="ready")
    await database["tasks"].insert(
        [
            *(task("run", key="root", phase="expanded"), task("run.1", key="source"), task("run.2", key="kit")),
            *(task(group, key="group", after=("run.1", "run.2"), phase="expanded"), task(f"{group}.1", key="kit")),
            *(task(inner, key="inner", after=(f"{group}.1",), phase="expanded"), task(f"{inner}.1", key="before"), leaf),
        ]
    )
    claim = claim_from(leaf, 1)
    assert claim
    found = await store.dependencies(claim)
    assert {key: one.inherited for key, one in found.items()} == {"source": True, "kit": True, "before": False}


async def test_of_two_with_one_key_the_nearer_counts(database: MemoryDatabase, store: AttemptStore) -> None:
    far, near = task("run.1", key="kit"), task("run.2.1", key="kit") | {"title": "Nearer"}
    leaf = task("run.2.2", key="leaf", after=("run.2.1",), phase="ready")
    await database["tasks"].insert([far, near, leaf, task("run.2", key="group", after=("run.1",), phase="expanded")])
    claim = claim_from(leaf, 1)
    assert claim
    found = await store.dependencies(claim)
    assert [(one.title, one.inherited) for one in found.values()] == [("Nearer", False)]
