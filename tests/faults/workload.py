"""What runs while faults happen: small runs of every sort of task, each with an effect on the ledger, submitted as by any client."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.contracts.phases import TERMINAL
from shared.contracts.plan import NotesFile, RunOptions
from shared.errors import TaskgroveError
from shared.ids import new_id
from tests.faults.ledger import SCRIPT

if TYPE_CHECKING:
    from tests.faults.rig import Rig

LANES, LINKS = 3, 3
RETRIES = 50
PATIENCE = 120.0
"""How long the runs may take to end once the faults are over, before what waits is said loudly."""
CHECKED = {"kind": "schema", "schema": {"type": "object", "minProperties": 1}}


def grove(rig: "Rig", *, seconds: float = 0.15) -> NotesFile:
    """Lanes of functions that follow each other, two scripts, a group with a group in it, and a join of all."""
    tasks = []
    for lane in range(LANES):
        tasks += [called(rig, f"l{lane}-{link}", *([f"l{lane}-{link - 1}"] if link else []), seconds=seconds) for link in range(LINKS)]
    tasks += [scripted(f"s{number}", f"l{number}-0") for number in range(2)]
    inner = {"key": "inner", "title": "inner", "kind": "group", "after": ["a"], "subtasks": [called(rig, "b", seconds=seconds)]}
    group = [called(rig, "a", seconds=seconds), inner]
    tasks.append({"key": "group", "title": "group", "kind": "group", "after": ["l0-0"], "subtasks": group})
    names = [task["key"] for task in tasks]
    return plan([*tasks, called(rig, "join", *names, kind="integration")])


def fan(rig: "Rig", width: int) -> NotesFile:
    """So many tasks side by side, and one that waits for all of them."""
    names = [f"t{number}" for number in range(width)]
    return plan([*(called(rig, name) for name in names), called(rig, "join", *names, kind="integration")])


def everything(rig: "Rig") -> NotesFile:
    """Every way through the house: a first try that fails, a task that is broken down, a person who is asked before and after."""
    path = {"path": str(rig.ledger.path)}
    tasks = [
        called(rig, "plain", seconds=0.1),
        scripted("script", "plain"),
        called(rig, "again", inputs={"call": "second_try", "args": path}),
        called(rig, "halves", inputs={"call": "breaks_down", "args": path}, checks=[]),
        called(rig, "asked before", "plain", checkpoint={"when": "before"}),
        called(rig, "asked after", checkpoint={"when": "after"}),
        {"key": "group", "title": "group", "kind": "group", "after": ["again"], "subtasks": [called(rig, "in it")]},
    ]
    return plan([*tasks, called(rig, "join", *(task["key"] for task in tasks), kind="integration")])


def called(rig: "Rig", key: str, *after: str, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    """A task that calls the function `effect`. It is tried often: whatever is killed, in the end it is done."""
    inputs = {"call": "effect", "args": {"path": str(rig.ledger.path), "seconds": seconds}}
    task = {"key": key, "title": key, "agent": "python", "inputs": inputs, "checks": [CHECKED], "after": list(after), "retries": RETRIES}
    return {**task, **more}


def scripted(key: str, *after: str) -> dict[str, Any]:
    """A task that runs a script, with a check that runs a command."""
    check = {"kind": "command", "run": "test -s out.txt"}
    inputs = {"interpreter": "sh", "script": f"{SCRIPT}echo done > out.txt\n"}
    return {"key": key, "title": key, "agent": "shell", "inputs": inputs, "checks": [check], "after": list(after), "retries": RETRIES}


def plan(tasks: list[dict[str, Any]]) -> NotesFile:
    """The tasks as notes of the planner `import`."""
    return NotesFile(name="plan.json", text=json.dumps({"title": "grove", "tasks": tasks}))


@dataclass
class Load:
    """Runs one after another in some lanes. Only those count as accepted whose submission was answered with success."""

    rig: "Rig"
    make: Callable[["Rig"], NotesFile] = grove
    accepted: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Their ids, each with when it was submitted first and when that was answered (seconds since 1970)."""
    refused: int = 0
    ended: int = 0
    stopping: bool = False

    async def submit(self) -> str | None:
        """Submit one run; None when nobody accepted it in time."""
        began = time.time()
        options = RunOptions(planner="import", inputs={"ledger": str(self.rig.ledger.path)})
        async with self.rig.client() as client:
            try:
                run_id = (await client.submit(notes=[self.make(self.rig)], options=options, idempotency_key=new_id())).run_id
            except (TaskgroveError, TimeoutError):
                self.refused += 1
                return None
        self.accepted[run_id] = (began, time.time())
        return run_id

    async def lane(self) -> None:
        """Run after run, until told to stop. The end of each is read from the store."""
        while not self.stopping:
            if run_id := await self.submit():
                await self._until_over(run_id)
                self.ended += 1

    async def _until_over(self, run_id: str) -> None:
        while not self.stopping and not await self.rig.is_over(run_id):
            await asyncio.sleep(0.1)

    async def all_over(self, *, seconds: float = PATIENCE) -> None:
        """Come back when every accepted run is over. Raises AssertionError that tells what waits."""
        deadline = time.monotonic() + seconds
        while open_runs := await self._open():
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(open_runs)} runs are not over after {seconds:g} s:\n{await self._what_waits(open_runs)}")
            await asyncio.sleep(0.2)

    async def _open(self) -> list[str]:
        over = await self.rig.docs("tasks", _id={"$in": list(self.accepted)}, phase={"$in": sorted(TERMINAL)})
        return sorted(self.accepted.keys() - {doc["_id"] for doc in over})

    async def _what_waits(self, runs: list[str]) -> str:
        tasks = await self.rig.docs("tasks", run_id={"$in": runs}, phase={"$nin": sorted(TERMINAL)})
        lines = [f"{task['_id']} {task['phase']} epoch {task['epoch']} due {task.get('due_at')}" for task in tasks[:40]]
        return "\n".join([*(f"run {run}" for run in runs[:10]), *lines])


@asynccontextmanager
async def load(
    rig: "Rig",
    *,
    lanes: int = 2,
    make: Callable[["Rig"], NotesFile] = grove,
    patience: float = PATIENCE,
    accepted: dict[str, tuple[float, float]] | None = None,
) -> AsyncIterator[Load]:
    """Runs go on while the block does; after it, all that were accepted have ended, within `patience` seconds.

    `accepted`: where their ids are put.
    """
    running = Load(rig, make, accepted if accepted is not None else {})
    tasks = [asyncio.create_task(running.lane()) for _ in range(lanes)]
    try:
        yield running
    finally:
        running.stopping = True
        await asyncio.gather(*tasks)
    await running.all_over(seconds=patience)
