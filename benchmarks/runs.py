"""One measured run: submitted over HTTP, timed to the verified root, and then held against what the store says about every task."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.stack import Bench
from shared.contracts.phases import TERMINAL
from shared.contracts.plan import NotesFile, RunOptions
from shared.errors import TaskgroveError
from shared.ids import in_run

LOOK_SECONDS = 0.02
LOG_SECONDS = 5.0
PATIENCE = 600.0
OPTIONS = RunOptions(planner="import", max_tasks=200_000, max_width=200_000)


@dataclass(frozen=True, slots=True)
class Run:
    """When a run was submitted, first dispatched, and over, as the store has it."""

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


async def run_plan(bench: Bench, plan: NotesFile, *, time_scale: float = 1.0, split: int = 0) -> Run:
    """Submit `plan`, wait for its end, and check all of it. Raises TaskgroveError when not every task was done once and verified."""
    run = await timed(bench, plan, time_scale=time_scale)
    await refuse_unless_sound(bench, run.run_id, split=split)
    return run


async def timed(bench: Bench, plan: NotesFile, *, time_scale: float = 1.0) -> Run:
    """The same, to be checked by the caller, where checking must not be measured."""
    submitted = datetime.now(UTC)
    run_id = await submit(bench, plan, time_scale=time_scale)
    verified = await ended(bench, run_id)
    return Run(run_id, submitted, await _first_dispatch(bench, run_id), verified)


async def submit(bench: Bench, plan: NotesFile, *, time_scale: float = 1.0) -> str:
    """Start a run as any client does; its id."""
    return (await bench.client.submit(notes=[plan], options=OPTIONS.model_copy(update={"time_scale": time_scale}))).run_id


async def ended(bench: Bench, run_id: str) -> datetime:
    """When the root was over, once it is."""
    async with asyncio.timeout(PATIENCE):
        while not (root := await _root(bench, run_id)) or root["phase"] not in TERMINAL:
            await asyncio.sleep(LOOK_SECONDS)
    moment: datetime = root["finished_at"]
    return moment


async def all_ended(bench: Bench, run_ids: Sequence[str]) -> datetime:
    """When the last of these roots was over, once all are."""
    over = {"_id": {"$in": list(run_ids)}, "open": False}
    async with asyncio.timeout(PATIENCE):
        while await bench.documents["tasks"].count_documents(over) < len(run_ids):
            await asyncio.sleep(LOOK_SECONDS)
    last = await bench.documents["tasks"].find(over, ["finished_at"]).sort("finished_at", -1).limit(1).to_list()
    moment: datetime = last[0]["finished_at"]
    return moment


async def refuse_unless_sound(bench: Bench, run_id: str, *, disturbed: bool = False, split: int = 0) -> int:
    """Every task completed, with exactly one executed attempt and one passed verdict; how many tasks that are.

    `disturbed`: others may have been lost before it. `split`: so many were first found too big, by an attempt and a verdict that say so.
    """
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
        "other attempts": 0 if disturbed else abs(len(attempts) - len(executed) - split),
        "other verdicts": 0 if disturbed else abs(len(verdicts) - len(passed) - split),
        "no tasks at all": int(not tasks),
    }
    if found := {what: count for what, count in faults.items() if count}:
        raise TaskgroveError(f"run {run_id} of {len(tasks)} tasks is not sound, so its time means nothing: {found}")
    return len(tasks)


async def _root(bench: Bench, run_id: str) -> dict[str, Any] | None:
    return await bench.documents["tasks"].find_one({"_id": run_id}, {"phase": 1, "finished_at": 1})


async def _first_dispatch(bench: Bench, run_id: str) -> datetime:
    """When the first task was said, or was begun: logged just before those of a small plan are said; a large one begins earlier."""
    async with asyncio.timeout(LOG_SECONDS):
        while not (line := await bench.documents["logs"].find_one({"run_id": run_id, "event": "plan.adopted"}, sort=[("ts", 1)])):
            await asyncio.sleep(LOOK_SECONDS)
    moment: datetime = line["ts"]
    return min(moment, await first_claim(bench, run_id))


async def first_claim(bench: Bench, run_id: str) -> datetime:
    """When the first attempt of a run was begun."""
    first = await bench.documents["attempts"].find(in_run(run_id), ["claimed_at"]).sort("claimed_at", 1).limit(1).to_list()
    moment: datetime = first[0]["claimed_at"]
    return moment


async def _all(bench: Bench, collection: str, run_id: str, *fields: str) -> list[dict[str, Any]]:
    return await bench.documents[collection].find(in_run(run_id), list(fields)).to_list()
