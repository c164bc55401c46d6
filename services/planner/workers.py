"""Plans that are made in the background: claimed under a lease, made, kept, said; handed back or taken over where their planner ends."""

import asyncio
from typing import Any

import orjson
import structlog

from services.planner.domain import settled
from services.planner.keeping import Asked, Keeper
from services.planner.maker import Maker
from services.planner.store import PlanningStore
from shared.contracts.base import Event
from shared.contracts.plan import Plan, RunOptions
from shared.ending import end
from shared.errors import Unavailable
from shared.messaging.publisher import Publisher
from shared.storage.port import Doc
from shared.telemetry.traces import Traces
from shared.watching import Watch

log = structlog.get_logger()


class Workers:
    """All plannings of this process."""

    def __init__(self, store: PlanningStore, maker: Maker, keeper: Keeper, *, publisher: Publisher, traces: Traces, slots: int) -> None:
        self._store = store
        self._maker = maker
        self._keeper = keeper
        self._publisher = publisher
        self._traces = traces
        self._slots = slots
        self._claiming = asyncio.Lock()
        self._draining = False
        self.running: dict[str, asyncio.Task[None]] = {}
        self._waited_for: dict[str, str] = {}
        self._unwanted: set[str] = set()
        self.watch = Watch(self._look, maker.clock)

    async def offer(self, asked: Asked) -> None:
        """See to it that this plan is made: here where there is room, else by whoever has it first. Asked twice it is made once."""
        planning = asked.document()
        async with self._claiming:
            if planning["_id"] in self.running:
                return
            if self._draining or len(self.running) >= self._slots:
                await self._store.leases.leave([planning])
            elif await self._store.claim(planning):
                self._start(planning)

    async def take_over(self) -> int:
        """Go on with what waits and with what others abandoned, as far as there is room; how many were abandoned."""
        async with self._claiming:
            room = 0 if self._draining else self._slots - len(self.running)
            taken = await self._store.take_over(room) if room > 0 else []
            for planning, _ in taken:
                if planning["_id"] not in self.running:
                    self._start(planning)
        return sum(abandoned for _, abandoned in taken)

    def stop_claiming(self) -> None:
        """Leave what comes from now on to others."""
        self._draining = True

    async def drain(self, seconds: float) -> None:
        """Begin nothing more; let what runs end, at most `seconds`; hand the rest back."""
        self.stop_claiming()
        if self.running:
            await asyncio.wait(self.running.values(), timeout=seconds)
        left = list(self.running)
        await end(self.running.values())
        if left:
            await self._store.leases.hand_back(left)

    def _start(self, planning: Doc) -> None:
        name = planning["_id"]
        self._waited_for[name] = planning["task_id"]
        self.watch.wake()
        self.running[name] = task = asyncio.create_task(self._work(planning))
        self._store.leases.hold(name, task.cancel)

    async def _look(self) -> bool:
        """Stop making plans that nobody waits for any more."""
        for name in await self._maker.plans.unwanted(dict(self._waited_for)):
            # It may have stopped while we looked: what is cancelled then would be the writing down of that.
            if (task := self.running.get(name)) and name in self._waited_for:
                self._unwanted.add(name)
                task.cancel()
        return bool(self._waited_for)

    async def _made_or_not_wanted(self, planning: Doc) -> Event | None:
        name = planning["_id"]
        try:
            return await self._made(planning)
        except asyncio.CancelledError:
            if name not in self._unwanted:
                raise
            log.info("plan.not_wanted", plan_id=name, task_id=planning["task_id"])
        finally:
            self._waited_for.pop(name, None)
            self._unwanted.discard(name)
        await self._store.forget(name)
        return None

    async def _work(self, planning: Doc) -> None:
        name = planning["_id"]
        try:
            with self._traces.doing("plan", planning["task_id"], reason=planning["reason"]):
                event = await self._keeper.already(name) or await self._made_or_not_wanted(planning)
                if event:
                    await self._store.finish(name)
                    await self._publisher.say([event])
        except Unavailable as error:
            log.warning("plan.interrupted", plan_id=name, error=str(error))
        except Exception:
            log.exception("planning.broke", plan_id=name)
        finally:
            self._store.leases.held.pop(name, None)
            self.running.pop(name, None)
            self._waited_for.pop(name, None)

    async def _made(self, planning: Doc) -> Event | None:
        """The plan, made now, or by the planner that had it before. None: nobody waits for it, or it is somebody else's by now."""
        name, asked = planning["_id"], Asked.read(planning)
        if planning.get("made"):
            return await self._kept(asked, orjson.loads(planning["made"]))
        made = await self._maker.made(asked)
        if made is None:
            await self._store.forget(name)
        elif await self._store.record(name, made):
            self._waited_for.pop(name, None)  # half of a plan that is given up now would be mixed with the next one of this version
            return await self._kept(asked, made)
        return None

    async def _kept(self, asked: Asked, made: dict[str, Any]) -> Event:
        wanted, submission = asked.wanted, asked.submission
        if "error" in made:
            return await self._keeper.failed(wanted, made["error"])
        plan = Plan.model_validate(made["plan"])
        if submission is None:
            return await self._keeper.kept(plan, reason=wanted.reason, options=RunOptions(), submitted_by="planner")
        plan, options = settled(plan, submission.options)
        return await self._keeper.kept(plan, reason=wanted.reason, options=options, submitted_by=submission.submitted_by)
