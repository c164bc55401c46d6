"""A sequencer dies after any write, and no sweep comes: whoever hears the same again does the rest, and says all that follows."""

from collections.abc import Awaitable, Callable

import pytest

from services.sequencer.handlers import on_approvals_decided
from shared.contracts.approvals import ApprovalDecided
from shared.contracts.phases import Action
from shared.contracts.plan import Checkpoint
from tests.unit.sequencer.interrupted import Act, Bench, proposed, spec
from tests.unit.sequencer.tasks import RUN
from tests.unit.sequencer.test_interrupted import BROKEN, SAID_TWICE, hints, ordered


async def opened(bench: Bench) -> Act:
    """a is done again: what is below the groups that wait for it is there already, and goes with them."""
    await bench.adopts(await bench.plan(spec("a"), spec("g", "a", subtasks=[spec("h", subtasks=[spec("x"), spec("y", "x")])])))
    await bench.judged("passed", "1")
    await bench.adopts(proposed(f"{RUN}.2"))
    await bench.adopts(proposed(f"{RUN}.2.1"))
    await ordered(Action.RERUN, f"{RUN}.1")(bench)
    event = await bench.verdicts("passed", "1", epoch=4)
    return lambda bench: bench.hears(event)


async def approved(bench: Bench) -> Act:
    """A group is done again, and asks again whether it may start; what is below it is there already."""
    asks = Checkpoint(when="before")
    await bench.adopts(await bench.plan(spec("g", subtasks=[spec("x"), spec("y", "x")], checkpoint=asks)))
    await (await answered(bench, "approve", "before:0"))(bench)
    await bench.adopts(proposed(f"{RUN}.1"))
    for name in ("1.1", "1.2", "1"):
        await bench.judged("passed", name)
    await ordered(Action.RERUN, f"{RUN}.1")(bench)
    return await answered(bench, "approve", "before:3")


async def given_up(bench: Bench) -> Act:
    """a is done again and fails: the group that waits for it is given up, and with it what is below it, which is there already."""
    await bench.adopts(await bench.plan(spec("a", on_failure="fail"), spec("g", "a", subtasks=[spec("x")])))
    await bench.judged("passed", "1")
    await bench.adopts(proposed(f"{RUN}.2"))
    for name in ("2.1", "2"):
        await bench.judged("passed", name)
    await ordered(Action.RERUN, f"{RUN}.1")(bench)
    event = await bench.verdicts("failed", "1", epoch=4, error=BROKEN)
    return lambda bench: bench.hears(event)


async def handed_back(bench: Bench) -> Act:
    """A person handed in its result, which a check refused: tried again it waits for its turn first, and that has come."""
    await bench.adopts(await bench.plan(spec("a")))
    await ordered(Action.COMPLETE, f"{RUN}.1")(bench)
    await bench.judged("failed", "1", epoch=2, error=BROKEN)
    return await answered(bench, "retry", "escalation:2")


async def handed_back_by_order(bench: Bench) -> Act:
    """The same, by an order."""
    await handed_back(bench)
    return ordered(Action.RETRY, f"{RUN}.1", number=3)


async def joined_by_order(bench: Bench) -> Act:
    """A group whose join failed is joined again, by an order."""
    await bench.adopts(await bench.plan(spec("g", subtasks=[spec("x")])))
    await bench.adopts(proposed(f"{RUN}.1"))
    await bench.judged("passed", "1.1")
    await bench.judged("failed", "1", epoch=1, error={"code": "not_judged", "message": "nobody could", "permanent": True})
    return ordered(Action.RETRY, f"{RUN}.1", number=3)


async def handed_in(bench: Bench) -> Act:
    """A person hands in the result of a task."""
    await bench.adopts(await bench.plan(spec("a")))
    return ordered(Action.COMPLETE, f"{RUN}.1")


async def answered(bench: Bench, state: str, question: str) -> Act:
    """A person answers this question about the first task, which is asked."""
    task, name = f"{RUN}.1", f"{RUN}.1:{question}"
    assert (await bench.state())[".1"]["approval_id"] == name
    await bench.database["approvals"].insert([{"_id": name, "task_id": task, "kind": "checkpoint", "state": state}])
    event = ApprovalDecided(run_id=RUN, task_id=task, approval_id=name)
    return lambda bench: on_approvals_decided([event], bench.deps)


@pytest.mark.parametrize(
    "prepare",
    [*SAID_TWICE, opened, approved, given_up, handed_back, handed_back_by_order, joined_by_order, handed_in],
    ids=lambda prepare: str(prepare.__name__),
)
async def test_who_hears_it_again_does_and_says_all_that_follows(prepare: Callable[[Bench], Awaitable[Act]]) -> None:
    """Found by the simulation, seeds 4194, 5906, 8050 and 2014406 without the sweep."""
    whole = Bench()
    said = hints(await (await prepare(whole))(whole))
    for writes in range(1, 20):
        bench = Bench()
        act = await prepare(bench)
        if await bench.outlives(act, writes=writes):
            assert said
            assert writes > 1
            return
        assert said <= hints(await act(bench)), f"died after write {writes}"
        assert await bench.state() == await whole.state(), f"died after write {writes}"
    pytest.fail("it never came to its end")
