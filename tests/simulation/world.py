"""One simulated world: all services as processes that can die, the twins of broker and store behind them, a clock that nobody waits for.

The border to the workload. A `World` has:

- `seed`, `sweep` ("on" or "off"), `random` (for the workload alone), `loop.time()` (virtual seconds since the start)
- `store` (the MemoryDatabase behind everything; `documents(name)` reads a collection without any fault), `exchange` (the queues)
- `server_now()` (the store's clock), `ledger` (whatever the workload keeps here: effects are counted outside of all processes)
- `start(service)`, `crash(process)`, `living(service)`
- `ask(call)`: one HTTP request without the HTTP: `call(deps)` runs inside a living approvals process; raises NoAnswer when that died first
- `timeline` (virtual time, process, what, fault) and `note(...)`; `errors` (lines that the services logged as errors), `faults.fired`
- `settled` (an asyncio.Event: from now on nothing goes wrong any more)

The workload is a coroutine `live(world)`, run outside of all processes; it returns when all of its runs are over and all people are done.
The invariants are `check(world)`, asked after that; they raise AssertionError, or return a list of what is violated.
"""

import asyncio
import random as jitter
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from services.approvals.deps import Deps as ApprovalsDeps
from shared.clock import ServerClock
from shared.ids import maker
from shared.memory.broker import MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.topology import queues
from shared.service import Running, assemble
from shared.settings import CommonSettings
from shared.storage.port import Doc
from tests.simulation.calm import without_resending
from tests.simulation.faults import Faults, Sweep
from tests.simulation.ground import Unwritten, ground_of
from tests.simulation.loop import Host, SimulationLoop, host
from tests.simulation.ports import SimulatedBroker, SimulatedDatabase, now_done

SERVICES = ("planner", "sequencer", "executor", "checker", "approvals")
EPOCH = 1_767_225_600.0
LIMIT_SECONDS = 900.0
SETTINGS = [
    CommonSettings(artifacts_url="memory://simulation", work_dir=Path("/nonexistent/simulation"), sweep_seconds=seconds)
    for seconds in (1.0, 2.0, 3.0)
]


class NoAnswer(Exception):
    """The process that was asked died before it answered: nobody knows what it did."""


class NotOver(Exception):
    """The faults are long over, and the world is still not at rest."""


class Process(Host):
    """One life of one replica of a service."""

    def __init__(self, world: "World", service: str, replica: int, *, life: int) -> None:
        super().__init__(f"{service}-{replica}" + (f"'{life}" if life else ""))
        self.world = world
        self.service = service
        self.replica = replica
        self.life = life
        self.skew = world.skew()
        self.clock = ServerClock(wall=self.wall, monotonic=world.loop.time)
        self.broker = SimulatedBroker(self)
        self.database = SimulatedDatabase(self)
        self.running: Running | None = None
        self.ready_now = False
        self.cut_off = False
        self._ids = 0
        self.context: Context = world.context.copy()
        self.context.run(host.set, self)
        self.context.run(maker.set, self.new_id)

    def wall(self) -> float:
        """What this machine believes that the time is."""
        return EPOCH + self.world.loop.time() + self.skew

    def new_id(self) -> str:
        """As UUIDv7: the milliseconds of this machine, a count, and something random."""
        self._ids += 1
        return f"{int(self.wall() * 1_000):012x}7{self._ids:07x}{self.world.id_random.getrandbits(48):012x}"

    async def live(self) -> None:
        """Start as a real process does."""
        try:
            await self._begin()
        except Exception as error:  # noqa: BLE001 (whatever it is: the process ends by it, and its supervisor starts it again)
            self.world.complain(f"could not start: {type(error).__name__}: {error}")
            self.world.crash(self, why="could not start")

    async def _begin(self) -> None:
        self.running = await assemble(ground_of(self), import_module(f"services.{self.service}.wiring").wire)
        self.running.logs = Unwritten(self.database["logs"], self.running.ground.metrics)
        if self.world.sweep == "off":
            without_resending(self.running.service)
        await self.running.start(http=False)
        self.ready_now = True

    async def end(self) -> None:
        """End as SIGTERM has it."""
        self.ready_now = False
        if self.running:
            await self.running.stop(seconds=self.world.settings.drain_seconds)


class World:
    """See above."""

    def __init__(self, seed: int, sweep: Sweep = "on", *, keep: frozenset[int] | None = None) -> None:
        self.seed = seed
        self.sweep: Sweep = sweep
        self.random = Random(f"workload {seed}")  # noqa: S311 (a seed, not a secret)
        self.id_random = Random(f"ids {seed}")  # noqa: S311
        self._network = Random(f"network {seed}")  # noqa: S311
        self.faults = Faults(Random(f"faults {sweep} {seed}"), sweep, keep)  # noqa: S311
        self.loop = SimulationLoop(Random(f"scheduler {seed}"))  # noqa: S311
        jitter.seed(seed)
        self.context = copy_context()
        self.exchange = MemoryExchange()
        self.exchange.declare(queues())
        self.store = MemoryDatabase(_Server(self))
        self.settings = self._network.choice(SETTINGS)
        self.processes: list[Process] = []
        self.buried: list[Process] = []
        self.timeline: list[tuple[float, str, str, str]] = []
        self.errors: list[tuple[float, str, str]] = []
        self.ledger: Any = None
        self.store_away = 0
        self.broker_away = 0
        self.server_jump = 0.0
        self.latency = self._network.choice((0.0005, 0.002, 0.02))
        self.settled = asyncio.Event()

    def server_now(self) -> datetime:
        """The store's time."""
        return datetime.fromtimestamp(EPOCH + self.loop.time() + self.server_jump, UTC)

    def travel(self, *, slow: bool) -> float:
        """How long a message is on its way."""
        return self._network.uniform(0.1, 4.0) if slow else self.latency * self._network.random()

    def patience(self, *, hung: bool = False) -> float:
        """How long it takes until a client gives up, or tries again."""
        return self._network.uniform(4.0, 12.0) if hung else self._network.uniform(0.05, 1.0)

    def skew(self) -> float:
        """How wrong the wall clock of a new process is."""
        return self._network.uniform(-600.0, 600.0) if "clock jump" in self.faults.kinds else 0.0

    def note(self, who: str, what: str, fault: str) -> None:
        """Keep a line of what happened."""
        self.timeline.append((self.loop.time(), who, what, fault))

    def documents(self, collection: str, **where: Any) -> list[Doc]:
        """What is stored, seen from outside."""
        found: list[Doc] = now_done(self.store[collection].find(where, sort=(("_id", 1),)))
        return found

    def living(self, service: str) -> list[Process]:
        """The processes of a service that are not dead."""
        return [process for process in self.processes if process.service == service]

    def start(self, service: str, replica: int = 1, *, life: int = 0) -> Process:
        """Start a process; the task in it starts the service."""
        process = Process(self, service, replica, life=life)
        self.processes.append(process)
        self.note(process.name, "starts", "")
        self.loop.create_task(process.live(), context=process.context.copy())
        return process

    def crash(self, process: Process, *, why: str, away: float | None = None) -> None:
        """It is gone, in the middle of whatever it did; after a while it starts again."""
        if process.dead:
            return
        self.note(process.name, f"dies: {why}", "crash")
        self._bury(process)
        self.loop.call_soon(process.broker.cut, context=self.context)
        self._again(process, self._network.uniform(0.05, 3.0) if away is None else away)

    async def terminate(self, process: Process) -> None:
        """SIGTERM, and a new one in its place."""
        self.note(process.name, "is told to end", "terminate")
        task = self.loop.create_task(process.end(), context=process.context.copy())
        await asyncio.wait([task], timeout=self.settings.drain_seconds + 10)
        if not process.dead:
            self._bury(process)
            process.broker.cut()
            self._again(process, self._network.uniform(0.05, 1.0))

    def cut_all(self) -> None:
        """Everybody loses the broker."""
        for process in self.processes:
            process.broker.cut()

    def wipe(self) -> None:
        """The broker forgets all queues and all that is in them."""
        self.exchange = MemoryExchange()
        self.exchange.declare(queues())
        self.cut_all()

    async def ask(self, call: Callable[[ApprovalsDeps], Awaitable[Any]]) -> Any:
        """One request to a living approvals process; what it raises is raised here."""
        while not (able := [one for one in self.living("approvals") if one.ready_now and not one.paused]):
            await asyncio.sleep(0.2)
        process = able[self._network.randrange(len(able))]
        answer: asyncio.Future[Any] = self.loop.create_future()
        process_context = process.context.copy()

        async def handle() -> None:
            try:
                assert process.running
                result = await call(process.running.service.deps)
            except Exception as error:  # noqa: BLE001 (it is the caller's)
                self.loop.call_later(self.travel(slow=False), _settle, answer, None, error, context=self.context)
            else:
                self.loop.call_later(self.travel(slow=False), _settle, answer, result, None, context=self.context)

        self.loop.create_task(handle(), context=process_context)
        while not answer.done():
            await asyncio.wait([answer], timeout=1.0)
            if not answer.done() and process.dead:
                raise NoAnswer(process.name)
        return answer.result()

    def run(self, live: Callable[["World"], Awaitable[None]]) -> None:
        """The whole schedule. Raises NotOver when it does not come to rest."""
        self.loop.set_exception_handler(self._complain)
        try:
            self.loop.run_until_complete(self._whole(live))
        finally:
            self.loop.close()

    async def _whole(self, live: Callable[["World"], Awaitable[None]]) -> None:
        from tests.simulation.misfortune import Misfortune  # noqa: PLC0415 (it needs the world's type)

        for service in SERVICES:
            for replica in range(1, self._network.choice((1, 1, 2)) + 1):
                self.start(service, replica)
        misfortune = Misfortune(self)
        bad = asyncio.create_task(misfortune.befall())
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await live(self)
                # What has not gone wrong by now would go wrong for nobody.
                misfortune.end()
                await bad
                await self._rest()
        except TimeoutError as error:
            raise NotOver(f"not over after {LIMIT_SECONDS:g} virtual seconds") from error

    async def _rest(self) -> None:
        """What still lies in queues, runs, or waits for its time at a task, comes to its end as well."""
        while True:
            await asyncio.sleep(0.5)
            waiting = self.sweep == "on" and any(
                now_done(self.store[name].count({"due_at": {"$exists": True}})) for name in ("tasks", "attempts", "verdicts", "plannings")
            )
            running = any(now_done(self.store[name].count({"state": "running"})) for name in ("attempts", "verdicts"))
            if not (waiting or running or self.exchange.waiting()):
                return

    def _bury(self, process: Process) -> None:
        self.loop.kill(process)
        self.processes.remove(process)
        self.buried.append(process)

    def _again(self, process: Process, seconds: float) -> None:
        def begin() -> None:
            self.start(process.service, process.replica, life=process.life + 1)

        self.loop.call_later(seconds, begin, context=self.context)

    def complain(self, what: str) -> None:
        """Keep an error that a process logged, or did not catch."""
        self.errors.append((self.loop.time(), (host.get() or self.loop.outside).name, what))

    def _complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.complain(f"{context['message']}: {type(error).__name__}: {error}")


class _Server:
    """The store's own clock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.server_now()

    def monotonic(self) -> float:
        return self._world.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _settle(answer: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error:
        answer.set_exception(error)
    else:
        answer.set_result(result)


Lives = Callable[[World], Awaitable[None]]
Checks = Callable[[World], Sequence[str] | None]
