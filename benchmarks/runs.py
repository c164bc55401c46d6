"""One measured run: submitted over HTTP, timed to the verified root, and then held against what the store says about every task."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.stack import Bench
from shared.contracts.phases import TERMINAL
from shared.contracts.plan import NotesFile, RunOptions
from shared.errors import TaskgroveError

LOOK_SECONDS = 0.02
LOG_SECONDS = 5.0
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Run:
    """When a run was submitted, first dispatched, and over."""

    run_id: str
    submitted: datetime
    dispatched: datetime
    verified: datetime

    @property
    def whole(self) -> float:
        """Seconds from the call of POST /tasks to the verified root."""
        return (self.verified - self.submitted).total_seconds()

    @property
    def work(self) -> float:
        """Seconds from the first dispatch to the verified root."""
        return (self.verified - self.dispatched).total_seconds()


async def run_plan(bench: Bench, plan: NotesFile) -> Run:
    """Submit `plan`, wait for its end, and check all of it. Raises TaskgroveError when not every task was done once and verified."""
    submitted = datetime.now(UTC)
    run_id = await submit(bench, plan)
    verified = await ended(bench, run_id)
    await refuse_unless_sound(bench, run_id)
    return Run(run_id, submitted, await _first_dispatch(bench, run_id), verified)


async def submit(bench: Bench, plan: NotesFile) -> str:
    """Start a run as any client does; its id."""
    return (await bench.client.submit(notes=[plan], options=RunOptions(planner="import"))).run_id


async def ended(bench: Bench, run_id: str) -> datetime:
    """When the root was seen to be over."""
    async with asyncio.timeout(PATIENCE):
        while await _phase(bench, run_id) not in TERMINAL:
            await asyncio.sleep(LOOK_SECONDS)
    return datetime.now(UTC)


async def refuse_unless_sound(bench: Bench, run_id: str, *, disturbed: bool = False) -> None:
    """Every task completed, with exactly one executed attempt and one passed verdict. `disturbed`: others may have been lost before it."""
    tasks = await _all(bench, "tasks", run_id, "phase")
    attempts = await _all(bench, "attempts", run_id, "state", "task_id")
    verdicts = await _all(bench, "verdicts", run_id, "judgement", "task_id")
    ids = sorted(task["_id"] for task in tasks)
    executed = sorted(attempt["task_id"] for attempt in attempts if attempt["state"] == "executed")
    passed = sorted(verdict["task_id"] for verdict in verdicts if verdict["judgement"] == "passed")
    faults = {
        "tasks not completed": sum(task["phase"] != "completed" for task in tasks),
        "executed attempts are not one a task": int(executed != ids),
        "passed verdicts are not one a task": int(passed != ids),
        "other attempts or verdicts": 0 if disturbed else len(attempts) + len(verdicts) - len(executed) - len(passed),
    }
    if found := {what: count for what, count in faults.items() if count}:
        raise TaskgroveError(f"run {run_id} of {len(tasks)} tasks is not sound, so its time means nothing: {found}")


async def _phase(bench: Bench, run_id: str) -> str | None:
    root = await bench.documents["tasks"].find_one({"_id": run_id}, {"phase": 1})
    return root["phase"] if root else None


async def _first_dispatch(bench: Bench, run_id: str) -> datetime:
    """When the sequencer was done with growing the tasks and said the first of them: the log line that it writes just before."""
    async with asyncio.timeout(LOG_SECONDS):
        while not (line := await bench.documents["logs"].find_one({"run_id": run_id, "event": "plan.adopted"}, sort=[("ts", 1)])):
            await asyncio.sleep(LOOK_SECONDS)
    moment: datetime = line["ts"]
    return moment


async def _all(bench: Bench, collection: str, run_id: str, *fields: str) -> list[dict[str, Any]]:
    return await bench.documents[collection].find({"run_id": run_id}, list(fields)).to_list()
