"""A sequencer dies after any write, and no sweep comes: whoever hears the same again does the rest, and says all that follows."""

from collections.abc import Awaitable, Callable

import pytest

from shared.contracts.phases import Action
from tests.unit.sequencer.interrupted import Bench, Crash, proposed, spec
from tests.unit.sequencer.tasks import RUN
from tests.unit.sequencer.test_interrupted import SAID_TWICE, Act, hints, ordered


async def opened(bench: Bench) -> Act:
    """a is done again: what is below the groups that wait for it is there already, and goes with them."""
    await bench.adopts(await bench.plan(spec("a"), spec("g", "a", subtasks=[spec("h", subtasks=[spec("x"), spec("y", "x")])])))
    await bench.judged("passed", "1")
    await bench.adopts(proposed(f"{RUN}.2"))
    await bench.adopts(proposed(f"{RUN}.2.1"))
    await ordered(Action.RERUN, f"{RUN}.1")(bench)
    event = await bench.verdicts("passed", "1", epoch=4)
    return lambda bench: bench.hears(event)


@pytest.mark.parametrize("prepare", [*SAID_TWICE, opened], ids=lambda prepare: str(prepare.__name__))
async def test_who_hears_it_again_does_and_says_all_that_follows(prepare: Callable[[Bench], Awaitable[Act]]) -> None:
    """Found by the simulation, seeds 4194 and 5906 without the sweep."""
    whole = Bench()
    said = hints(await (await prepare(whole))(whole))
    for writes in range(1, 20):
        bench = Bench()
        act = await prepare(bench)
        bench.database.writes_left = writes
        try:
            await act(bench)
        except Crash:
            bench.database.writes_left = None
            assert said <= hints(await act(bench)), f"died after write {writes}"
            assert await bench.state() == await whole.state(), f"died after write {writes}"
        else:
            assert said
            assert writes > 1
            return
    pytest.fail("it never came to its end")
