"""Every order in every phase, as the table of orders says it: allowed and led to where it says, or refused and nothing changed."""

from datetime import timedelta
from typing import Any

import pytest

from services.sequencer.control import ORDERS, obey
from services.sequencer.handlers import on_approvals_decided
from shared.contracts.approvals import ApprovalDecided, TaskControl
from shared.contracts.phases import ROWS, TERMINAL, Action, Phase, legal_actions, row_of
from shared.storage.port import Doc
from tests.unit.sequencer.interrupted import Bench, spec
from tests.unit.sequencer.tasks import RUN

STORED = [phase for phase in Phase if phase not in (Phase.RUNNING, Phase.CHECKING)]
WITH_CHILDREN = (Phase.EXPANDED, Phase.INTEGRATING, Phase.REPLANNING)
TASK = f"{RUN}.1"


async def standing(phase: Phase, *, paused: bool) -> tuple[Bench, Doc]:
    """A task in this phase, below a run that fits, with a dependent; and the task as it is stored."""
    bench = Bench()
    await bench.adopts(await bench.plan(spec("a"), spec("b", "a")))
    over = phase in TERMINAL
    fields: dict[str, Any] = {"phase": phase, "open": not over, "paused": paused, "passes": phase in (Phase.COMPLETED, Phase.SKIPPED)}
    if phase in WITH_CHILDREN:
        fields |= {"children": 1}
    if phase in (Phase.EXPANDING, Phase.REPLANNING):
        fields |= {"plan_reason": "expand"}
    await bench.database["tasks"].update({"_id": TASK}, {"$set": fields})
    if over:
        await bench.database["tasks"].update({"_id": RUN}, {"$set": {"phase": Phase.FAILED, "open": False}})
    return bench, await stored(bench)


async def stored(bench: Bench) -> Doc:
    return (await bench.database["tasks"].find({"_id": TASK}))[0]


def ordered(action: Action, doc: Doc) -> TaskControl:
    version = doc["version"] if action is Action.RERUN else None
    result = {"summary": "by hand"} if action is Action.COMPLETE else None
    return TaskControl(run_id=RUN, task_id=TASK, control_id="1" * 32, action=action, by="ann", result=result, version=version)


@pytest.mark.parametrize("paused", [False, True], ids=["", "paused"])
@pytest.mark.parametrize("phase", STORED)
@pytest.mark.parametrize("action", list(Action))
async def test_every_pair(action: Action, phase: Phase, paused: bool) -> None:
    bench, before = await standing(phase, paused=paused)
    await obey(bench.store, ordered(action, before))
    after, row = await stored(bench), row_of(action, phase)
    assert after["dealt"] == ["1" * 32]
    if action in (Action.PAUSE, Action.RESUME) and row:
        assert after["paused"] is (action is Action.PAUSE)
        assert after["phase"] in ((phase, Phase.READY, Phase.INTEGRATING) if action is Action.RESUME else (phase,)), "it may go on since"
    elif row:
        assert "refused" not in after
        reached = {phase for phase in Phase if phase in row.leads_to} | ({Phase.READY} if action in (Action.RETRY, Action.RERUN) else set())
        assert after["phase"] in reached
        assert after["epoch"] > before["epoch"] or action is Action.CANCEL, "what was under way counts no more"
    elif action is Action.CANCEL and phase is Phase.CANCELLED:
        assert after["phase"] == Phase.CANCELLED, "done again it changes nothing"
    else:
        assert after["refused"] == f"the task is {phase} by now"
        noted = ("dealt", "refused", "refused_control")
        assert {name: value for name, value in after.items() if name not in noted} == before


@pytest.mark.parametrize("action", [Action.CANCEL, Action.RERUN, Action.RETRY, Action.COMPLETE])
async def test_of_another_version_it_is_refused(action: Action) -> None:
    bench, before = await standing(Phase.FAILED if action in (Action.RERUN, Action.RETRY) else Phase.READY, paused=False)
    await obey(bench.store, ordered(action, before).model_copy(update={"version": before["version"] + 1}))
    after = await stored(bench)
    assert (after["phase"], after["version"]) == (before["phase"], before["version"])
    assert after["refused"] == f"it is about version {before['version'] + 1} of the task, which has version {before['version']} by now"


async def test_what_has_something_open_below_it_is_not_handed_in() -> None:
    bench, before = await standing(Phase.BLOCKED, paused=False)
    child = before | {"_id": f"{TASK}.1", "parent_id": TASK, "phase": Phase.BLOCKED, "open": True}
    await bench.database["tasks"].insert([child])
    await bench.database["tasks"].update({"_id": TASK}, {"$set": {"children": 1}})
    await obey(bench.store, ordered(Action.COMPLETE, before))
    assert (await stored(bench))["refused"] == "below the task others are not over yet"


@pytest.mark.parametrize("action", [Action.PAUSE, Action.RETRY, Action.COMPLETE])
async def test_what_goes_with_a_run_that_is_over_does_not_go_on_by_an_order(action: Action) -> None:
    """Whoever cancelled the run died before coming to its tasks: found by the simulation, seed 3661 without the sweep."""
    bench, before = await standing(Phase.ESCALATED, paused=False)
    await bench.database["tasks"].update({"_id": RUN}, {"$set": {"phase": Phase.CANCELLED, "open": False}})
    await obey(bench.store, ordered(action, before))
    after = await stored(bench)
    assert (after["phase"], after["version"], after["refused"]) == (
        Phase.ESCALATED,
        before["version"],
        "what it is a part of is over, and it goes with that",
    )
    await obey(bench.store, ordered(Action.CANCEL, before).model_copy(update={"control_id": "2" * 32}))
    assert (await stored(bench))["phase"] == Phase.CANCELLED


async def group_over_below(phase: Phase) -> tuple[Bench, Doc]:
    """A group in this phase that was broken down, and of which all that is below it is over; it waits for another task."""
    bench, before = await standing(phase, paused=False)
    child = before | {"_id": f"{TASK}.1", "parent_id": TASK, "phase": Phase.SKIPPED, "open": False, "passes": True}
    await bench.database["tasks"].insert([child])
    waits = {"kind": "group", "children": 1, "agent": "integrate", "dependencies": [f"{RUN}.2"]}
    await bench.database["tasks"].update({"_id": TASK}, {"$set": waits})
    await bench.database["tasks"].update({"_id": f"{RUN}.2"}, {"$set": {"dependencies": []}})
    return bench, before


@pytest.mark.parametrize("phase", [Phase.BLOCKED, Phase.AWAITING_APPROVAL, Phase.INTEGRATING, Phase.RETRYING, Phase.ESCALATED])
async def test_a_group_is_handed_in_when_all_below_it_is_over(phase: Phase) -> None:
    """Also while it waits to be done again: found by the simulation, seed 3632 without the sweep."""
    bench, before = await group_over_below(phase)
    await obey(bench.store, ordered(Action.COMPLETE, before))
    after = await stored(bench)
    assert (after["phase"], after["epoch"], after["agent"]) == (Phase.INTEGRATING, before["epoch"] + 1, "human")


async def test_a_group_that_was_handed_in_before_its_time_waits_again_when_it_is_retried() -> None:
    bench, before = await group_over_below(Phase.BLOCKED)
    await obey(bench.store, ordered(Action.COMPLETE, before))
    await bench.database["tasks"].update({"_id": TASK}, {"$set": {"phase": Phase.ESCALATED}})
    await obey(bench.store, ordered(Action.RETRY, before).model_copy(update={"control_id": "2" * 32}))
    assert ((await stored(bench))["phase"], (await stored(bench))["agent"]) == (Phase.BLOCKED, "integrate")
    await bench.database["tasks"].update({"_id": f"{RUN}.2"}, {"$set": {"phase": Phase.COMPLETED, "open": False, "passes": True}})
    await bench.sweeps(1)
    assert (await stored(bench))["phase"] == Phase.INTEGRATING


async def test_an_order_does_not_act_again_on_what_a_later_one_brought_back() -> None:
    bench, before = await standing(Phase.CANCELLED, paused=False)
    await bench.database["tasks"].update({"_id": RUN}, {"$set": {"phase": Phase.CANCELLED}})
    await obey(bench.store, ordered(Action.RETRY, before).model_copy(update={"control_id": "2" * 32}))
    await obey(bench.store, ordered(Action.CANCEL, before).model_copy(update={"task_id": RUN}))  # by one who died before noting it
    root = (await bench.database["tasks"].find({"_id": RUN}))[0]
    assert (root["phase"], root["refused"]) == (Phase.EXPANDED, "an order that was given after it brought the task back")
    await obey(bench.store, ordered(Action.CANCEL, before).model_copy(update={"task_id": RUN, "control_id": "3" * 32}))
    assert (await bench.database["tasks"].find({"_id": RUN}))[0]["phase"] == Phase.CANCELLED


@pytest.mark.parametrize("state", ["reject", "expired", "skip", "take_over"])
async def test_what_waits_below_a_question_goes_with_it(state: str) -> None:
    """A group that is done again asks again before those below it begin; they are there already."""
    bench = Bench()
    await bench.adopts(await bench.plan(spec("g", subtasks=[spec("a"), spec("b", "a")])))
    asking = {"phase": Phase.AWAITING_APPROVAL, "approval_id": "q", "asking": {}}
    await bench.database["tasks"].insert(
        [{**(await stored(bench)), "_id": f"{TASK}.1", "parent_id": TASK, "kind": "work", "phase": Phase.BLOCKED}]
    )
    await bench.database["tasks"].update({"_id": TASK}, {"$set": {**asking, "children": 1, "open": True}})
    await bench.database["approvals"].insert([{"_id": "q", "task_id": TASK, "kind": "checkpoint", "state": state}])
    await on_approvals_decided([ApprovalDecided(run_id=RUN, task_id=TASK, approval_id="q")], bench.deps)
    if state == "take_over":
        await bench.judged("passed", "1", epoch=(await stored(bench))["epoch"])
    assert (await stored(bench))["open"] is False
    assert (await bench.database["tasks"].find({"_id": f"{TASK}.1"}))[0]["phase"] == Phase.CANCELLED


async def test_what_was_done_while_the_run_was_paused_is_joined_at_once_when_it_goes_on() -> None:
    bench = Bench()
    await bench.adopts(await bench.plan(spec("a")))
    pause = TaskControl(run_id=RUN, task_id=RUN, control_id="1" * 32, action=Action.PAUSE, by="ann")
    await obey(bench.store, pause)
    await bench.judged("passed", "1")
    assert (await bench.state())[""]["phase"] == Phase.EXPANDED
    await obey(bench.store, pause.model_copy(update={"action": Action.RESUME, "control_id": "2" * 32}))
    assert (await bench.state())[""]["phase"] == Phase.INTEGRATING


async def test_all_below_a_task_is_cancelled_while_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One child by order, the other because it waits for that; their parent is not broken down yet and cannot look at them."""
    bench = Bench()
    insert = bench.store.insert_sequence

    async def interrupted(document: Doc) -> None:
        await insert(document)
        await obey(bench.store, ordered(Action.CANCEL, await stored(bench)))

    monkeypatch.setattr(bench.store, "insert_sequence", interrupted)
    await bench.adopts(await bench.plan(spec("a"), spec("b", "a")))
    state = await bench.state()
    assert [state[name]["phase"] for name in ("", ".1", ".2")] == ["integrating", "cancelled", "cancelled"]


@pytest.mark.parametrize(("action", "end"), [(Action.RERUN, Phase.COMPLETED), (Action.RETRY, Phase.CANCELLED)])
async def test_one_that_goes_on_late_leaves_alone_what_grew_after_it(action: Action, end: Phase) -> None:
    bench = Bench()
    await bench.adopts(await bench.plan(spec("g").model_copy(update={"kind": "group"})))
    (group,) = await bench.database["tasks"].find({"_id": TASK})
    assert group["phase"] == Phase.EXPANDING
    await bench.database["tasks"].update({"_id": TASK}, {"$set": {"phase": Phase.CANCELLED, "open": False}})
    order = ordered(action, await stored(bench))
    await obey(bench.store, order)
    await bench.adopts(await bench.plan(spec("x"), of=TASK))
    await bench.database["tasks"].update({"_id": f"{TASK}.1"}, {"$set": {"phase": end, "open": False, "passes": end is Phase.COMPLETED}})
    await bench.database["tasks"].update({"_id": TASK}, {"$unset": {"last_control": "", "dealt": ""}})  # it died before it noted the order
    await obey(bench.store, order)
    (child,) = await bench.database["tasks"].find({"_id": f"{TASK}.1"})
    assert (child["phase"], child["epoch"]) == (end, 1)


def test_the_table_has_each_pair_once_and_names_every_order() -> None:
    for action in Action:
        rows = [row for row in ROWS if row.action is action]
        assert rows
        assert all(row.follows.endswith(".") for row in rows)
        assert sum(len(row.phases) for row in rows) == len(frozenset().union(*(row.phases for row in rows)))
    assert set(ORDERS) == set(Action)


@pytest.mark.parametrize("phase", list(Phase))
def test_there_is_always_something_to_order(phase: Phase) -> None:
    for paused in (False, True):
        actions = legal_actions(phase, paused=paused)
        assert actions
        assert not {Action.PAUSE, Action.RESUME} <= set(actions)


async def test_the_time_of_a_pause_is_none_that_a_task_waited_to_be_claimed() -> None:
    bench, before = await standing(Phase.READY, paused=True)
    long_ago = before["ready_at"] - timedelta(hours=1)
    await bench.database["tasks"].update({"_id": TASK}, {"$set": {"ready_at": long_ago}})
    await obey(bench.store, ordered(Action.RESUME, before))
    assert (await stored(bench))["ready_at"] >= before["ready_at"]
