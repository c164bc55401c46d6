"""Children whose ids count them in their order need not be read to be named; of all others the parent does not say so."""

import pytest

from services.approvals.store.reads import Reads
from shared.contracts.phases import Phase
from shared.contracts.plan import TaskSpec
from shared.ids import plan_id
from tests.unit.sequencer.interrupted import Bench, spec
from tests.unit.sequencer.tasks import RUN

IN_ORDER = (spec("a"), spec("b"), spec("c", "a"))
LATER_FIRST = (spec("a", "c"), spec("b"), spec("c"))


@pytest.mark.parametrize(("tasks", "in_order"), [(IN_ORDER, True), (LATER_FIRST, False)], ids=["in order", "a later one first"])
async def test_the_children_that_are_named_are_those_that_are_there(tasks: tuple[TaskSpec, ...], *, in_order: bool) -> None:
    bench = Bench()
    await bench.adopts(await bench.plan(*tasks))
    (root,) = await bench.database["tasks"].find({"_id": RUN})
    assert root["in_order"] is in_order
    there = [doc["_id"] for doc in await bench.database["tasks"].find({"parent_id": RUN}, sort=(("position", 1),))]
    assert await Reads(bench.database).children(root) == there


async def test_of_a_later_plan_it_is_not_said() -> None:
    """The children of the first one are there as well."""
    bench = Bench()
    first, plans = await bench.plan(*IN_ORDER), bench.database["plans"]
    await bench.adopts(first)
    await bench.database["tasks"].update({"_id": RUN}, {"$set": {"phase": Phase.REPLANNING}})
    again = plan_id(RUN, 2)
    await plans.insert([{**doc, "_id": doc["_id"].replace(first.plan_id, again), "version": 2} for doc in await plans.find({})])
    await bench.adopts(first.model_copy(update={"version": 2, "plan_id": again}))
    (root,) = await bench.database["tasks"].find({"_id": RUN})
    assert (root["plan_version"], root["in_order"]) == (2, False)
    assert len(await Reads(bench.database).children(root)) == 2 * len(IN_ORDER)


@pytest.mark.parametrize("tasks", [(), (spec("a"), spec("a"))], ids=["no tasks", "a key twice"])
async def test_a_plan_that_is_none_fails_with_its_reason(tasks: tuple[TaskSpec, ...]) -> None:
    """Planners of other packages may propose anything."""
    bench = Bench()
    await bench.adopts(await bench.plan(*tasks))
    (root,) = await bench.database["tasks"].find({"_id": RUN})
    assert root["phase"] == Phase.FAILED
    assert root["error"]["message"].startswith("the plan has ")
    await bench.sweeps()
