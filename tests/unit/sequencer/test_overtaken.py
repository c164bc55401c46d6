"""Orders that come late, after a later one was dealt with: what somebody was promised is carried out, or refused with its reason."""

import pytest

from services.sequencer.control import obey
from shared.contracts.approvals import TaskControl
from shared.contracts.phases import Action, Phase
from shared.orders import MOST_KEPT, Noted, noted_in
from tests.unit.sequencer.interrupted import Bench, spec
from tests.unit.sequencer.tasks import RUN


def order(action: Action, number: int) -> TaskControl:
    result = {"summary": "by hand"} if action is Action.COMPLETE else None
    return TaskControl(run_id=RUN, task_id=RUN, control_id=f"{number:032d}", action=action, by="ann", result=result)


async def begun() -> Bench:
    bench = Bench()
    await bench.adopts(await bench.plan(spec("a"), spec("b", "a")))
    return bench


async def noted(bench: Bench) -> Noted:
    return noted_in((await bench.database["tasks"].find({"_id": RUN}))[0])


@pytest.mark.parametrize("later", [Action.COMPLETE, Action.PAUSE], ids=["refused", "carried out"])
async def test_a_cancel_is_carried_out_though_a_later_order_came_first(later: Action) -> None:
    bench = await begun()
    await obey(bench.store, order(later, 2))
    await obey(bench.store, order(Action.CANCEL, 1))
    assert {state["phase"] for state in (await bench.state()).values()} == {Phase.CANCELLED}
    assert (await noted(bench)).dealt == (f"{1:032d}", f"{2:032d}")


async def test_another_order_is_refused_with_its_reason() -> None:
    bench = await begun()
    await obey(bench.store, order(Action.RESUME, 2))
    await obey(bench.store, order(Action.PAUSE, 1))
    assert (await noted(bench)).refusal(f"{1:032d}") == "a later order was carried out before it"
    assert not (await bench.store.get([RUN]))[RUN].paused


async def test_after_one_that_was_refused_an_earlier_one_is_carried_out() -> None:
    bench = await begun()
    await obey(bench.store, order(Action.COMPLETE, 2))
    await obey(bench.store, order(Action.PAUSE, 1))
    assert (await bench.store.get([RUN]))[RUN].paused


async def test_what_was_refused_is_not_carried_out_when_it_comes_again() -> None:
    """Whoever gave it was told so, though it has become possible since."""
    bench = await begun()
    await obey(bench.store, order(Action.RETRY, 1))
    await obey(bench.store, order(Action.COMPLETE, 2))
    await bench.database["tasks"].update({"_id": RUN}, {"$set": {"phase": Phase.FAILED, "open": False}})
    await obey(bench.store, order(Action.RETRY, 1))
    assert (await bench.store.get([RUN]))[RUN].phase is Phase.FAILED


async def test_one_that_was_begun_and_not_noted_is_not_said_to_be_refused() -> None:
    """It was carried out by one who died before noting it; what was ordered since stands."""
    bench = await begun()
    await bench.database["tasks"].update({"_id": RUN}, {"$set": {"reruns": [f"{1:032d}"]}})
    await obey(bench.store, order(Action.PAUSE, 2))
    await obey(bench.store, order(Action.RERUN, 1))
    orders = await noted(bench)
    assert (orders.refusal(f"{1:032d}"), orders.is_dealt_with(f"{1:032d}")) == (None, True)
    assert (await bench.store.get([RUN]))[RUN].paused


async def test_nothing_of_a_run_whose_name_begins_alike_is_touched() -> None:
    bench = await begun()
    (root,) = await bench.database["tasks"].find({"_id": RUN})
    other = root | {"_id": f"{RUN}-2", "run_id": f"{RUN}-2"}
    await bench.database["tasks"].insert([other])
    for number, action in enumerate((Action.PAUSE, Action.RESUME), 1):
        await obey(bench.store, order(action, number))
    assert await bench.database["tasks"].find({"_id": f"{RUN}-2"}) == [other]


def test_what_is_older_than_all_that_are_kept_is_taken_for_dealt_with() -> None:
    orders = Noted()
    for number in range(10, 10 + MOST_KEPT + 2):
        assert not orders.is_dealt_with(f"{number:032d}")
        orders = Noted(f"{number:032d}", tuple(orders.with_order(f"{number:032d}")))
    assert len(orders.dealt) == MOST_KEPT
    assert orders.is_dealt_with(f"{10:032d}")


def test_a_document_that_knows_only_the_last_order_says_so_of_all_before_it() -> None:
    orders = noted_in({"last_control": f"{5:032d}", "refused": None})
    assert [orders.is_dealt_with(f"{number:032d}") for number in (4, 5, 6)] == [True, True, False]
    assert orders.with_order(f"{6:032d}") == [f"{5:032d}", f"{6:032d}"]
