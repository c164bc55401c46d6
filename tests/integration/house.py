"""All five services in one process for a test: on the in-memory twins or on the real parts, with people who answer and order by HTTP."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2

from services.approvals.domain.principals import Principal
from shared.clock import ServerClock
from shared.contracts.phases import TERMINAL, Phase
from shared.ending import end
from shared.ids import attempt_id
from shared.messaging.port import Broker
from shared.service import Running, assemble, lay_ground
from shared.settings import CommonSettings
from shared.storage.port import Database, Doc

SERVICES = ("planner", "sequencer", "executor", "checker", "approvals")
OVER = [*TERMINAL]
CLOCK_TOLERANCE = timedelta(milliseconds=20)


@dataclass
class Parts:
    """How a service gets its broker and its store; `url` is that of a broker which other tests use as well."""

    broker: Callable[[str], Broker]
    database: Callable[[ServerClock], Database]
    url: str | None = None


@dataclass
class House:
    """The services that run, and what people and tests do with them."""

    parts: Parts
    directory: Path
    clock: ServerClock = field(default_factory=ServerClock)
    running: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = self.parts.database(self.clock)
        self.settings = CommonSettings(
            artifacts_url=(self.directory / "artifacts").as_uri(), work_dir=self.directory / "work", sweep_seconds=0.1
        )

    async def start(self, *names: str) -> list[Running]:
        """Start these services, or all of them; each in a task of its own, as its log lines must bear its name."""
        started = []
        for name in names or SERVICES:
            ground = lay_ground(
                name, self.settings, broker=self.parts.broker(name), database=self.parts.database(self.clock), clock=self.clock
            )
            running = await assemble(ground, import_module(f"services.{name}.wiring").wire)
            await asyncio.create_task(running.start(http=False))
            started.append(running)
        self.running += started
        if not names:
            await self._open_door()
        return started

    async def stop(self) -> None:
        """End what runs, as SIGTERM would."""
        for running in reversed(self.running):
            await running.stop(seconds=1)
        await self.store.close()

    async def kill(self, name: str) -> None:
        """End a service as a crash would: it finishes nothing, hands nothing back and says nothing."""
        running = next(one for one in self.running if one.ground.name == name)
        self.running.remove(running)
        deps = running.service.deps
        work = [one.task for one in deps.workers.running.values()] if name == "executor" else []
        judging = [*deps.judge.running.values()] if name == "checker" else []
        planning = [*deps.workers.running.values()] if name == "planner" else []
        await asyncio.gather(end([*running.tasks, *(task for task in (*work, *judging, *planning) if task)]), running.consumer.drain(0))
        if work or judging or planning:
            await running.service.drain(0)  # nothing is left to hand back; the system closes a dead process's connections to its model
        if running.service.close:
            running.service.close()
        await running.ground.broker.stop()
        await running.ground.database.close()

    async def _open_door(self) -> None:
        approvals = next(one for one in self.running if one.ground.name == "approvals")
        key = await approvals.service.deps.principals.create(Principal("ada", frozenset({"admin"}), frozenset()))
        assert approvals.service.make_app
        transport = httpx2.ASGITransport(app=approvals.service.make_app())
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://approvals", headers={"Authorization": f"Bearer {key}"})

    async def submit(self, tasks: Sequence[dict[str, Any]], *, checks: Sequence[dict[str, Any]] = (), **options: Any) -> str:
        """A run of these tasks; its id."""
        notes = [{"name": "plan.json", "text": json.dumps({"title": "run", "checks": list(checks), "tasks": list(tasks)})}]
        body = {"description": "", "notes": notes, "options": {"planner": "import", **options}}
        answer = await self.http.post("/tasks", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["taskId"])

    async def order(self, task_id: str, action: str, **body: Any) -> None:
        """What a person orders for a task."""
        answer = await self.http.put(f"/tasks/{task_id}", json={"action": action, **body})
        assert answer.status_code == 202, answer.text

    async def rerun(self, task_id: str) -> None:
        """The task is done again, as it is seen now."""
        await self.order(task_id, "rerun", version=(await self.docs("tasks", _id=task_id))[0]["version"])

    async def decide(self, task: Doc, decision: str, **body: Any) -> Doc:
        """A person's answer to what the task waits for; the question as it was put to them."""
        asked = (await self.until(lambda: self.docs("approvals", _id=task["approval_id"])))[0]
        answer = await self.http.post("/approvals", json={"approvalId": asked["_id"], "decision": decision, **body})
        assert answer.status_code == 200, answer.text
        return asked

    async def docs(self, collection: str, **where: Any) -> list[Doc]:
        """What is stored."""
        return await self.store[collection].find(where, sort=(("_id", 1),))

    async def tasks(self, run_id: str) -> dict[str, Doc]:
        """The tasks of a run by their keys; those of a deeper level as `parent/child`."""
        docs = await self.docs("tasks", run_id=run_id)
        names = {doc["_id"]: doc["key"] for doc in docs}
        return {"/".join(names[above] for above in _line(doc["_id"]) if above != run_id) or "root": doc for doc in docs}

    async def task(self, run_id: str, key: str) -> Doc:
        """One task of a run."""
        return (await self.tasks(run_id))[key]

    async def when(self, run_id: str, key: str, *phases: str, seconds: float = 10) -> Doc:
        """The task, once it is in one of these phases."""

        async def there() -> Doc | None:
            task = (await self.tasks(run_id)).get(key)
            return task if task and task["phase"] in phases else None

        return await self.until(there, seconds=seconds, or_show=lambda: self.report(run_id))

    async def ended(self, run_id: str, *, seconds: float = 20) -> str:
        """The phase of the root, once it is over."""
        root = await self.when(run_id, "root", *OVER, seconds=seconds)
        return str(root["phase"])

    async def until(
        self, look: Callable[[], Awaitable[Any]], *, seconds: float = 10, or_show: Callable[[], Awaitable[str]] | None = None
    ) -> Any:
        """What `look` finds, once that is something."""
        deadline = time.monotonic() + seconds
        while not (found := await look()):
            assert time.monotonic() < deadline, await or_show() if or_show else "it did not come true in time"
            await asyncio.sleep(0.02)
        return found

    async def hurry(self) -> None:
        """Whatever waits for its time is due now: over and over, until cancelled."""
        while True:
            await asyncio.sleep(0.1)
            for name in ("tasks", "submissions", "approvals", "plans"):
                await self.store[name].update({"due_at": {"$exists": True}}, {"$set": {"due_at": self.clock.now()}})

    async def report(self, run_id: str) -> str:
        """Where a run stands, for a test that fails."""
        tasks = await self.tasks(run_id)
        open_ones = [f"{key}: {task['phase']} epoch {task['epoch']} {task['error']}" for key, task in tasks.items() if task["open"]]
        return f"{dict(Counter(task['phase'] for task in tasks.values()))}\n" + "\n".join(open_ones[:20])

    async def assert_sound(self, run_id: str, *, in_order: bool = True) -> None:
        """Nothing is left open, nothing waits, nothing is poisoned; each completed task rests on one verdict; nothing came too early."""
        await self.until(lambda: self._is_quiet(run_id), or_show=lambda: self.report(run_id))
        tasks = {task["_id"]: task for task in await self.docs("tasks", run_id=run_id)}
        attempts = {doc["_id"]: doc for doc in await self.docs("attempts", run_id=run_id)}
        verdicts = {doc["_id"]: doc for doc in await self.docs("verdicts", run_id=run_id)}
        assert not [doc["reason"] for doc in await self.docs("quarantine")]
        assert all(doc["state"] == "done" for doc in verdicts.values())
        assert not [doc for doc in await self.docs("approvals", run_id=run_id) if doc["state"] == "pending"]
        assert len(await self.docs("plans", run_id=run_id, state="proposed")) >= len(
            {task["plan_id"] for task in tasks.values() if task.get("plan_id")}
        )
        for task in tasks.values():
            if task["phase"] == Phase.COMPLETED:
                assert verdicts[attempt_id(task["_id"], task["epoch"])]["judgement"] == "passed"
        if in_order:
            assert_order(tasks, attempts)

    async def _is_quiet(self, run_id: str) -> bool:
        running = await self.store["attempts"].count({"run_id": run_id, "state": "running"})
        judging = await self.store["verdicts"].count({"run_id": run_id, "state": "running"})
        waiting = [
            await self.store[name].count({"run_id": run_id, "due_at": {"$exists": True}}) for name in ("tasks", "attempts", "verdicts")
        ]
        return not (running or judging or any(waiting) or await self.store["tasks"].count({"run_id": run_id, "open": True}))


@asynccontextmanager
async def hurrying(house: House) -> AsyncIterator[None]:
    """What waits for its time, as for a message that was lost, waits for moments only."""
    task = asyncio.create_task(house.hurry())
    try:
        yield
    finally:
        task.cancel()


def assert_order(tasks: dict[str, Doc], attempts: dict[str, Doc]) -> None:
    """No attempt was claimed before what its task waits for was over."""
    waits = {task["_id"]: list(task.get("dependencies", ())) for task in tasks.values()}
    for task in tasks.values():
        for dependent in task.get("feeds", ()):
            waits[dependent].append(task["_id"])
    for attempt in attempts.values():
        reopened = tasks[attempt["task_id"]].get("reopened_at")
        if reopened and attempt["claimed_at"] < reopened:
            continue  # it counts no more, and what it waited for may have been done again since
        for name in waits[attempt["task_id"]]:
            assert tasks[name]["finished_at"] <= attempt["claimed_at"] + CLOCK_TOLERANCE, f"{attempt['_id']} began before {name} was over"


def _line(task_id: str) -> list[str]:
    """The ids of a task's ancestors, and its own."""
    parts = task_id.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def work(key: str, *after: str, call: str = "noop", args: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A task that calls a function."""
    inputs = {"call": call, "args": args or {}}
    return {"key": key, "title": f"Task {key}", "agent": "python", "inputs": inputs, "after": list(after), **fields}


def shell(key: str, script: str, *after: str, **fields: Any) -> dict[str, Any]:
    """A task that runs a script."""
    return {"key": key, "title": f"Task {key}", "agent": "shell", "inputs": {"script": script}, "after": list(after), **fields}


def data(**properties: Any) -> list[dict[str, Any]]:
    """A check that the result's data has these properties, as JSON Schemas."""
    return [{"kind": "schema", "schema": {"type": "object", "properties": properties, "required": sorted(properties)}}]
