"""The approvals service at work for a test: its app, its ears, a client a role, and an ear for what it says."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from services.approvals.api.app import create_app
from services.approvals.dead import Dead
from services.approvals.deps import Deps
from services.approvals.domain.principals import Principal
from services.approvals.handlers import HEARS
from services.approvals.settings import ApprovalsSettings
from services.approvals.store import SCHEMAS
from services.approvals.sweep import sweep
from services.approvals.wiring import build
from shared.clock import ServerClock
from shared.contracts.base import Event, type_names
from shared.ids import new_id
from shared.messaging.codec import Heard, decode
from shared.messaging.consumer import Consumer
from shared.messaging.port import Broker, Delivery
from shared.messaging.topology import queue_of, queues
from shared.service import Ground, lay_ground
from shared.settings import CommonSettings
from shared.storage.port import Database, Doc, Index, Schema

PEOPLE = {
    "ada": (("admin",), ()),
    "sue": (("submitter",), ()),
    "pat": (("approver",), ("release",)),
    "quinn": (("approver",), ()),
    "rob": (("approver",), ("release",)),
    "vic": (("viewer",), ()),
}
FOREIGN = (
    Schema("tasks", (Index((("parent_id", 1),)), Index((("dependencies", 1),), partial=True))),
    Schema("attempts"),
    Schema("verdicts"),
)


@dataclass(slots=True)
class Desk:
    """One replica of the service."""

    ground: Ground
    deps: Deps
    app: Any
    keys: dict[str, str] = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)

    def as_(self, name: str | None) -> httpx2.AsyncClient:
        """A client with this person's key; None: without one."""
        if (name or "") not in self.clients:
            headers = {"Authorization": f"Bearer {self.keys[name]}"} if name else {}
            transport = httpx2.ASGITransport(app=self.app)
            self.clients[name or ""] = httpx2.AsyncClient(transport=transport, base_url="http://approvals", headers=headers)
        return self.clients[name or ""]

    async def docs(self, collection: str, **where: Any) -> list[Doc]:
        """What is stored."""
        return await self.ground.database[collection].find(where, sort=(("_id", 1),))

    async def put(self, collection: str, *docs: Doc) -> None:
        """What another service would have written."""
        await self.ground.database[collection].insert(docs)

    async def sweep_all(self, collection: str) -> list[Event]:
        """Everything that waits in this collection is overdue; sweep, and say what the sweep says."""
        await self.ground.database[collection].update({"due_at": {"$exists": True}}, {"$set": {"due_at": self.ground.clock.now()}})
        await asyncio.sleep(0.02)
        says = list(await sweep(self.deps))
        await self.ground.publisher.say(says)
        return says

    async def hears(self, *events: Event) -> None:
        """Say these as other services would, and wait until they are in the feed."""
        expected = Counter((event.run_id, event.name) for event in events if event.durable)
        for run_id, name in expected:
            expected[run_id, name] += len(await self.docs("feed", run_id=run_id, event=name))
        await self.ground.publisher.say(events)
        await until(lambda: self._has(expected))

    async def _has(self, expected: Counter[tuple[str, str]]) -> bool:
        # Of each run and kind: what an earlier test left behind may still be on its way into the feed.
        return all([len(await self.docs("feed", run_id=run_id, event=name)) >= count for (run_id, name), count in expected.items()])


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = 5.0) -> None:
    """Return as soon as it holds. Raises AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def open_desk(broker: Broker, database: Database, clock: ServerClock, *, tap: Broker) -> AsyncIterator[Desk]:
    """The service over this broker and store; `tap` hears what planner and sequencer would."""
    ground = lay_ground("approvals", CommonSettings(artifacts_url=f"memory://{new_id()}"), broker=broker, database=database, clock=clock)
    deps = build(ground, ApprovalsSettings(control_seconds=0.3, poll_seconds=0.05))
    deps.has_model = True
    consumer = Consumer(
        HEARS, deps, service="approvals", broker=broker, publisher=ground.publisher, quarantine=ground.quarantine, metrics=ground.metrics,
        traces=ground.traces, clock=clock,
    )  # fmt: skip
    desk = Desk(ground, deps, create_app(deps))
    await database.ready()
    await database.ensure([*SCHEMAS, *FOREIGN])
    await asyncio.gather(broker.start(queues()), tap.start(queues()))
    for name in ("planner", "sequencer"):
        await tap.consume(queue_of(name), _ear(desk.said), prefetch=100)
    dead = Dead(ground)
    await dead.start()
    await consumer.start()
    for name, (roles, groups) in PEOPLE.items():
        desk.keys[name] = await deps.principals.create(Principal(name, frozenset(roles), frozenset(groups))) or ""
    try:
        yield desk
    finally:
        deps.hub.close()
        await consumer.drain(2)
        await dead.drain(2)
        await asyncio.gather(*(client.aclose() for client in desk.clients.values()))
        await broker.stop()
        await tap.stop()
        await database.close()


def _ear(said: list[Event]) -> Callable[[Delivery], None]:
    tasks: set[asyncio.Task[None]] = set()

    def hear(delivery: Delivery) -> None:
        said.extend(part.event for part in decode(delivery.body, type_names) if isinstance(part, Heard))
        task = asyncio.create_task(delivery.ack())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return hear


def task(task_id: str, **fields: Any) -> Doc:
    """A task as the sequencer writes it."""
    run_id, _, rest = task_id.partition(".")
    return {
        "_id": task_id, "run_id": run_id, "parent_id": task_id.rpartition(".")[0] or None, "key": rest or "root", "title": f"Task {rest}",
        "description": "", "kind": "work" if rest else "group", "phase": "ready", "open": True, "passes": False, "epoch": 1,
        "attempts": 1,
        "max_attempts": 3, "depth": task_id.count("."), "position": int(re.split(r"[.-]", task_id)[-1]) if rest else 0, "group": 0,
        "critical": False, "dependencies": [], "dependents": 0, "agent": "shell", "inputs": {}, "checks": [], "checkpoint": None,
        "notes": [],
        "priority": 5, "paused": False, "children": None, "error": None, "version": 1, **fields,
    }  # fmt: skip


def attempt(task_id: str, epoch: int = 1, **fields: Any) -> Doc:
    """An attempt as the executor writes it."""
    run_id = task_id.partition(".")[0]
    return {
        "_id": f"{task_id}:{epoch}", "run_id": run_id, "task_id": task_id, "epoch": epoch, "agent": "shell", "state": "executed",
        "result": {"summary": "did it", "artifacts": [], "data": {}}, "error": None, "usage": {"seconds": 1.5}, **fields,
    }  # fmt: skip


def verdict(task_id: str, epoch: int = 1, **fields: Any) -> Doc:
    """A verdict as the checker writes it."""
    return {
        "_id": f"{task_id}:{epoch}", "run_id": task_id.partition(".")[0], "task_id": task_id, "epoch": epoch, "state": "done",
        "judgement": "passed", "evidence": [{"check": "file", "passed": True, "detail": "there", "output": "", "seconds": 0.1}], **fields,
    }  # fmt: skip


def model_call(task_id: str, number: int = 1, **fields: Any) -> Doc:
    """A row of a ledger of model calls."""
    return {
        "_id": f"{task_id}:{number:064x}", "run_id": task_id.partition(".")[0], "task_id": task_id, "purpose": "work", "model": "m",
        "prompt_tokens": 100, "completion_tokens": 10, "usd": 0.5, "seconds": 1.0, "outcome": "answered", "reply": "said", **fields,
    }  # fmt: skip


def event_of(said: list[Event], kind: type[Event], run_id: str) -> list[Event]:
    """What was said of this kind about this run."""
    return [event for event in said if isinstance(event, kind) and event.run_id == run_id]
