"""What takes its time is no lost message: a plan that is being made is not asked for again, a task that is worked on no rescue."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.sequencer.deps import Deps
from services.sequencer.domain.decide import Patience
from services.sequencer.domain.grow import root_document
from services.sequencer.metrics import SequencerMetrics
from services.sequencer.store import TaskStore
from services.sequencer.sweep import sweep
from shared.clock import ServerClock
from shared.contracts.sequencer import PlanRequested, TaskReady
from shared.ids import new_id, plan_id
from shared.memory.store import MemoryDatabase
from shared.telemetry.metrics import ServiceMetrics
from tests.unit.sequencer.tasks import tells_nothing


@pytest.mark.parametrize(("state", "asked_again"), [("running", False), ("done", True), (None, True)])
async def test_a_plan_that_is_being_made_is_waited_for(state: str | None, asked_again: bool) -> None:
    clock, registry, run_id = ServerClock(), CollectorRegistry(), new_id()
    database = MemoryDatabase(clock)
    store = TaskStore(database, clock, SequencerMetrics(CollectorRegistry()))
    deps = Deps(store, database, Patience(1, 1), ServiceMetrics(registry), tell=tells_nothing)
    root = root_document(run_id=run_id, title="Long", description="", header={"run_id": run_id}, now=clock.now())
    overdue = clock.now() - timedelta(seconds=1)
    await database["tasks"].insert([root | {"phase": "expanding", "due_at": overdue}])
    if state:
        await database["plannings"].insert([{"_id": plan_id(run_id, 1), "state": state}])
    says = await sweep(deps)
    assert [type(event) for event in says] == [PlanRequested] * asked_again
    assert registry.get_sample_value("taskgrove_sweep_rescued_total", {"what": "expanding"}) == (1 if asked_again else None)
    (task,) = await database["tasks"].find({"_id": run_id})
    assert task["due_at"] > clock.now(), "it is looked at again later"


@pytest.mark.parametrize("phase", ["ready", "integrating"])
async def test_a_task_that_takes_longer_than_a_hint_is_no_rescue(phase: str) -> None:
    """It is stored so as long as somebody works on it."""
    clock, registry, run_id = ServerClock(), CollectorRegistry(), new_id()
    database = MemoryDatabase(clock)
    deps = Deps(
        TaskStore(database, clock, SequencerMetrics(CollectorRegistry())), database, Patience(1, 1), ServiceMetrics(registry),
        tell=tells_nothing,
    )  # fmt: skip
    root = root_document(run_id=run_id, title="Long", description="", header={"run_id": run_id}, now=clock.now())
    await database["tasks"].insert([root | {"phase": phase, "epoch": 1, "due_at": clock.now() - timedelta(seconds=1)}])
    assert await sweep(deps) == [TaskReady(run_id=run_id, attempts=(f"{run_id}:1",))]
    assert registry.get_sample_value("taskgrove_sweep_rescued_total", {"what": phase}) is None
