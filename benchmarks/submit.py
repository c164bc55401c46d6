"""How long a large plan keeps everyone waiting: from the call of POST /tasks to the first attempt."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plans import fan
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import LOOK_SECONDS, ended, first_claim, refuse_unless_sound, submit
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench

MOST_SECONDS = Bar(2)
PATIENCE = 120.0
STEPS = ("taken in", "planned", "grown", "claimed")


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Seconds until the first attempt was claimed, and the steps on the way."""
    began = datetime.now(UTC)
    run_id = await submit(bench, fan(sizes.submitted))
    answered = datetime.now(UTC)
    planned, grown = await _logged(bench, run_id, "plan.proposed"), await _logged(bench, run_id, "plan.adopted")
    await ended(bench, run_id)
    await refuse_unless_sound(bench, run_id)
    claimed = await first_claim(bench, run_id)
    # The planner need not wait for the answer to whoever submitted, so that it may be done before. A large plan begins while it grows.
    moments = [began, answered, max(answered, planned), max(answered, min(grown, claimed)), claimed]
    steps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    return {"whole": (claimed - began).total_seconds(), **dict(zip(STEPS, steps, strict=True))}


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """The whole, and its steps."""
    own, what = taken["submit"], f"plan of {sizes.submitted} tasks"
    whole = Figure(f"{what}, POST to first attempt", "s", own["whole"], MOST_SECONDS)
    return [whole, *(Figure(f"{what}, {step}", "s", own[step]) for step in STEPS)]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """The whole, and its steps."""
    own = taken["submit"]
    rows = (Row("POST to first attempt", own["whole"], MOST_SECONDS), *(Row(step, own[step]) for step in STEPS))
    return Bars(f"A plan of {sizes.submitted} tasks, until its first attempt", "seconds", rows)


async def _logged(bench: Bench, run_id: str, event: str) -> datetime:
    async with asyncio.timeout(PATIENCE):
        while not (line := await bench.documents["logs"].find_one({"run_id": run_id, "event": event}, sort=[("ts", 1)])):
            await asyncio.sleep(LOOK_SECONDS)
    moment: datetime = line["ts"]
    return moment


QUESTION = Question(
    "submit",
    "Submitting: how long until the first task runs",
    """A plan of {submitted} tasks, from the call of `POST /tasks` until the first attempt is claimed: *taken in* is the answer to
who submitted, durable by then; *planned* is the plan read, judged and stored; *grown* is its sequence derived and its tasks stored, or
the first of them begun; *claimed* is the first attempt inserted by an executor.""",
    measure,
    figures,
    plot,
    side_by_side=True,
)
