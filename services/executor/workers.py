"""The work itself: begun as it is claimed, done under leases, finished by compare-and-set, hinted at together."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from services.executor.agents.base import Agent, Answer, Done, Work
from services.executor.backlog import Waiting
from services.executor.domain import Claim, failed, is_still_wanted, written
from services.executor.intake import Intake
from services.executor.metrics import ExecutorMetrics
from services.executor.progress import Progress
from services.executor.running import Running
from services.executor.settings import ExecutorSettings
from services.executor.slots import Slots
from services.executor.store import AttemptStore
from shared.artifacts import ArtifactStore, fit
from shared.catalogue.agents import Lane
from shared.clock import Clock
from shared.contracts.executor import Outcome, TaskExecuted
from shared.contracts.sequencer import HINT_SECONDS
from shared.ending import end
from shared.errors import AgentFailed, BadInput, StoreUnavailable, Unavailable
from shared.messaging.publisher import Publisher, by_run
from shared.removal import remove_tree
from shared.storage.group import GroupCommit
from shared.storage.patience import answered
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.traces import Span, Traces
from shared.watching import Watch
from shared.workplace import Workplace

RELEASE_SECONDS = 3.0
PATIENCE_SECONDS = 0.25
AGAIN_SECONDS = 0.5

log = structlog.get_logger()


class Workers:
    """All attempts of this process."""

    def __init__(
        self, store: AttemptStore, agents: Mapping[str, Agent], artifacts: ArtifactStore, *, publisher: Publisher, progress: Progress,
        settings: ExecutorSettings, metrics: ExecutorMetrics, common: ServiceMetrics, traces: Traces, clock: Clock, place: Workplace,
    ) -> None:  # fmt: skip
        self._store = store
        self._agents = agents
        self._artifacts = artifacts
        self._publisher = publisher
        self._progress = progress
        self._settings = settings
        self._metrics = metrics
        self._rescued = common.rescued.labels(what="ready")
        self._traces = traces
        self._clock = clock
        self._place = place
        self.running: dict[str, Running] = {}
        self._slots = Slots({"waiting": settings.waiting_slots, "process": settings.process_slots}, settings.slots_of(agents))
        self.intake = Intake(store, self._slots, running=self.running.keys(), start=self._start, tell=self._tell, clock=clock)
        self.watch = Watch(self._look, clock)
        self._told: GroupCommit[str] = GroupCommit(self._tell, most=5_000)
        metrics.knows(agents)
        for lane in self._slots.lanes:
            self._measure(lane)

    async def offer(self, attempts: Iterable[str]) -> list[str]:
        """Start what fits, keep the rest for later; those that are over already come back, to be said again."""
        return await self.intake.offer(attempts)

    def stop_claiming(self) -> None:
        """Hand back what is offered from now on, and what was not begun."""
        self.intake.stop()

    async def drain(self, seconds: float) -> None:
        """Claim nothing more; let what runs end, at most `seconds`; hand the rest back."""
        self.stop_claiming()
        deadline = self._clock.monotonic() + seconds
        handing = [asyncio.create_task(self.intake.hand_back())]
        while self.running and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.05)
        await self._clock.sleep(0)  # what was started just now has to begin, so that it can say how it ended
        left = list(self.running.values())
        for running in left:
            running.end("released")
        await self._let_go(left, handing)

    async def _let_go(self, left: Sequence[Running], handing: Sequence["asyncio.Task[None]"]) -> None:
        """Wait until it is written that they are handed back; where the store does not answer, their leases run out instead."""
        tasks = [*handing, *(running.task for running in left if running.task)]
        await asyncio.wait(tasks, timeout=RELEASE_SECONDS)
        for running in left:
            running.stop = "lost"
        await end(tasks)

    def _start(self, claim: Claim, hinted: bool) -> None:
        """`hinted`: it was heard of just now; otherwise it waited here for a slot."""
        running = self.running[claim.attempt_id] = Running(claim, self._store.environment(claim))
        self.watch.wake()
        if ready_at := claim.task.get("ready_at"):
            self._waited(claim, (self._clock.now() - ready_at).total_seconds(), hinted=hinted)
        self._store.leases.hold(claim.attempt_id, lambda: running.end("lost"))
        running.task = asyncio.create_task(self._work(running))

    def _waited(self, claim: Claim, seconds: float, *, hinted: bool) -> None:
        if self._held_back(claim):
            return
        self._metrics.claimed(claim.lane, seconds)
        if hinted and seconds >= HINT_SECONDS:
            self._rescued.inc()

    def _held_back(self, one: Claim | Waiting) -> bool:
        """Whether it may have waited because somebody asked for it: its run or its agent has a cap."""
        return one.run_id in self._store.caps or self._slots.capped(one.agent)

    async def _work(self, running: Running) -> None:
        claim = running.claim
        with self._traces.doing("attempt", claim.task_id, agent=claim.agent, epoch=claim.epoch) as span:
            await self._worked(running, span)

    async def _worked(self, running: Running, span: Span) -> None:
        claim, started = running.claim, self._clock.monotonic()
        try:
            outcome = await self._outcome(running)
            self.intake.free(claim.attempt_id)  # others may work while how it ended is written
            if outcome is None:
                return
            span.note("outcome", outcome["state"])
            seconds = round(self._clock.monotonic() - started, 6)
            self._metrics.ended(claim.agent, outcome["state"], seconds)
            if await self._saved(running, {**outcome, "usage": {"seconds": seconds}}) and running.stop != "cancelled":
                await self._told([claim.attempt_id])
        finally:
            self._store.leases.held.pop(claim.attempt_id, None)
            self.running.pop(claim.attempt_id, None)
            self.intake.free(claim.attempt_id)
            if running.directory:
                await asyncio.to_thread(remove_tree, running.directory)

    async def _outcome(self, running: Running) -> dict[str, Any] | None:
        """How it ended, to be written down; None when it is not ours to say."""
        claim = running.claim
        try:
            return written(await self._answer(running))
        except asyncio.CancelledError:
            if running.stop is None or running.stop == "lost":
                return None
            return {"state": Outcome.CANCELLED.value if running.stop == "cancelled" else Outcome.RELEASED.value}
        except AgentFailed as error:
            log.warning("attempt.failed", attempt=claim.attempt_id, agent=claim.agent, code=error.code, error=str(error)[-2_000:])
            return failed(error)
        except Exception as error:
            log.exception("attempt.broke", attempt=claim.attempt_id, agent=claim.agent)
            return failed(error)

    async def _answer(self, running: Running) -> Answer:
        claim = running.claim
        if (agent := self._agents.get(claim.agent)) is None:
            known = ", ".join(self._agents)
            raise AgentFailed(f"there is no agent {claim.agent!r} here; there are: {known}", code="no_agent", permanent=True)
        answer = await agent.do(self._described(running))
        if not isinstance(answer, Done):
            return answer
        running.crowded = answer.crowded
        return replace(answer, result=await fit(answer.result, self._artifacts))

    def _described(self, running: Running) -> Work:
        claim, task = running.claim, running.claim.task

        def directory() -> Path:
            running.directory = self._place.directory(claim.attempt_id.replace(":", "_"))
            return running.directory

        def say(line: str) -> None:
            log.info("agent.output", text=line, attempt=claim.attempt_id)
            self._progress.take(claim.task_id, line)

        return Work(
            task_id=claim.task_id,
            run_id=claim.run_id,
            attempt_id=claim.attempt_id,
            epoch=claim.epoch,
            title=task["title"],
            description=task.get("description", ""),
            inputs=task.get("inputs", {}),
            outputs=tuple(task.get("outputs", ())),
            timeout=task.get("timeout") or self._settings.timeout_seconds,
            env=running.env,
            directory=directory,
            say=say,
            dependencies=lambda: answered(lambda: self._store.dependencies(claim), self._clock),
            children=lambda: answered(lambda: self._store.children(claim), self._clock),
            control=running.control,
            around=lambda: answered(lambda: self._store.around(claim.task_id), self._clock),
            by_model=bool(task.get("by_model")),
            anew=task.get("anew") or "",
        )

    async def _saved(self, running: Running, outcome: dict[str, Any]) -> bool:
        """Whether the outcome was written; tried as long as the lease is held, also by who is to stop: the work is done.

        Written alone it costs all services as much as a short task takes. Where more of its run waits for processors, it goes with what
        ends next.
        """
        patience = PATIENCE_SECONDS if running.crowded else 0.0
        pause = 0.0
        while running.stop != "lost":
            try:
                if pause:
                    await self._clock.sleep(pause)
                await self._store.leases.finish(running.claim.attempt_id, outcome, patience=patience)
            except StoreUnavailable as error:
                log.warning("attempt.not_saved", attempt=running.claim.attempt_id, error=str(error))
                pause = AGAIN_SECONDS
            except BadInput as error:  # what it answered is no document: nested too deep, too large
                log.warning("attempt.not_kept", attempt=running.claim.attempt_id, error=str(error))
                reason = AgentFailed(f"its answer cannot be kept: {error}", code="not_kept", permanent=True)
                outcome = {**failed(reason), "usage": outcome["usage"]}
            except asyncio.CancelledError:
                if running.stop is None:
                    raise
                pause = 0.0
            else:
                return True
        return False

    async def _look(self) -> bool:
        """Stop what is no longer wanted, and hold what is paused. What was stopped and did not end yet is stopped again, for good."""
        looked_at = list(self.running.values())  # what starts while the store is asked was not asked about
        now = await self._store.tasks_now([running.claim.task_id for running in looked_at])
        for running in looked_at:
            doc = now.get(running.claim.task_id)
            if not is_still_wanted(running.claim, doc):
                running.end("cancelled")
            elif doc and bool(doc.get("paused")) != running.control.paused:
                running.control.pause() if doc.get("paused") else running.control.resume()
        return bool(self.running)

    async def _tell(self, attempts: Sequence[str]) -> None:
        try:
            await self._publisher.say(by_run(attempts, lambda run, ids: TaskExecuted(run_id=run, attempts=ids)))
        except Unavailable as error:
            log.warning("hint.not_said", attempts=len(attempts), error=str(error))

    def _measure(self, lane: Lane) -> None:
        slots, backlog = self._slots, self.intake.backlogs[lane]

        def oldest() -> float:
            since = backlog.oldest(lambda one: not self._held_back(one))
            return 0.0 if since is None else self._clock.monotonic() - since

        self._metrics.has_lane(lane, slots.lanes[lane], running=lambda: slots.busy(lane), waiting=lambda: len(backlog), oldest=oldest)
