"""Judging: quick cases where they stand, slow ones under a lease, in a fresh directory with the files that the attempt left."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from services.checker.checks import Check, NotJudged, Subject
from services.checker.domain import Case, admitted, claimed, in_order, not_asked, not_judged, not_wanted, of_children, verdict
from services.checker.metrics import CheckerMetrics
from services.checker.store import VerdictStore
from shared.artifacts import ArtifactStore, on_disk
from shared.catalogue.checks import parse_check
from shared.clock import Clock, full_jitter
from shared.contracts.checker import Evidence, TaskVerified
from shared.ending import end
from shared.errors import BadInput, SandboxFailed, TaskgroveError, Unavailable
from shared.ids import new_id
from shared.messaging.publisher import Publisher, by_run
from shared.removal import remove_tree
from shared.telemetry.traces import Traces
from shared.turns import Turns
from shared.watching import Watch
from shared.workplace import Workplace

Slot = AbstractAsyncContextManager[None]
MOST_UNMADE = 240
"""So often a judgement is tried again on a machine whose sandbox does not work, in some ten minutes; then a person is asked."""

log = structlog.get_logger()


class Judge:
    """Finds the evidence."""

    def __init__(
        self, store: VerdictStore, checks: Mapping[str, Check], artifacts: ArtifactStore, *, publisher: Publisher, slots: int, most: int,
        place: Workplace, metrics: CheckerMetrics, traces: Traces, clock: Clock,
    ) -> None:  # fmt: skip
        self._store = store
        self._checks = checks
        self._artifacts = artifacts
        self._publisher = publisher
        self._turns = Turns(slots)
        self._most = most
        self._held: Counter[str] = Counter()
        self._place = place
        self.metrics = metrics
        self._traces = traces
        self._draining = False
        self.running: dict[str, asyncio.Task[None]] = {}
        self._waited_for: dict[str, Case] = {}
        self._unwanted: set[str] = set()
        self.watch = Watch(self._stop_unwanted, clock)

    async def verdict(self, case: Case, *, slot: Slot | None = None) -> dict[str, Any]:
        """The verdict on an attempt that claims to have done the work. `slot` is held while something runs, not while a model is asked."""
        with self._traces.doing("check", case.task_id, epoch=case.epoch, checks=len(case.checks)) as span:
            found = await self._found(case, slot or nullcontext())
            span.note("judgement", found["judgement"])
        return found

    async def _found(self, case: Case, slot: Slot) -> dict[str, Any]:
        made: list[Path] = []
        files = _once(lambda: self._laid_out(case, made))
        subject = Subject(
            case.result, case.title, files, run_id=case.run_id, task_id=case.task_id, attempt_id=case.attempt_id, by_model=case.by_model,
            anew=case.anew,
        )  # fmt: skip
        evidence: list[Evidence] = []
        missed: list[str] = []
        if case.is_parent:
            children, missed = of_children(await self._store.children(case.task_id))
            evidence.append(children)
        try:
            if not missed:
                await self._look(case, subject, evidence, slot=slot)
        except NotJudged as error:
            log.warning("verdict.not_judged", attempt=case.attempt_id, error=str(error))
            return not_judged(evidence, str(error))
        finally:
            for directory in made:
                await asyncio.to_thread(remove_tree, directory)
        return verdict(evidence or [claimed()], failed_children=missed)

    async def _look(self, case: Case, subject: Subject, evidence: list[Evidence], *, slot: Slot) -> None:
        """Make the checks, in their order; what was seen is added to the evidence. What one of them could not judge counts
        only where no other is missed: work that is wrong is tried again without a person."""
        at_once, last = in_order(case.checks)
        unjudged: NotJudged | None = None
        async with slot:
            for check in at_once:
                try:
                    evidence.append(await self._evidence(check, subject))
                except NotJudged as error:
                    unjudged = unjudged or error
        if unjudged and all(item.passed for item in evidence):
            raise unjudged
        for check in last:
            evidence.append(not_asked(check, evidence) or await self._evidence(check, subject))

    def stop_claiming(self) -> None:
        """Leave what comes from now on to others."""
        self._draining = True

    async def take_on(self, cases: Sequence[Case]) -> set[str]:
        """Judge these in the background, as far as nobody else does. The ids of those that are ours, or wait now for another checker."""
        mine, rest = admitted(cases, {} if self._draining else self._held, most=0 if self._draining else self._most)
        won = await self._store.leases.claim([case.document() for case in mine]) if mine else set()
        self._start([case for case in mine if case.attempt_id in won])
        return won | (await self._store.leases.leave([case.document() for case in rest]) if rest else set())

    def room(self) -> int:
        """How many more judgements this checker takes over of those that nobody makes."""
        return 0 if self._draining else max(0, self._most - len(self.running))

    def _start(self, cases: Sequence[Case]) -> None:
        for case in cases:
            self._waited_for[case.attempt_id] = case
            self._held[case.run_id] += 1
            self.watch.wake()
            self.running[case.attempt_id] = task = asyncio.create_task(self._judge(case))
            task.add_done_callback(partial(self._over, case.run_id))
            self._store.leases.hold(case.attempt_id, task.cancel)

    def _over(self, run_id: str, _task: "asyncio.Task[None]") -> None:
        self._held[run_id] -= 1
        if not self._held[run_id]:
            del self._held[run_id]

    async def drain(self, seconds: float) -> None:
        """Let what runs end, at most `seconds`; hand the rest back."""
        if self.running:
            await asyncio.wait(self.running.values(), timeout=seconds)
        left = list(self.running)
        await end(self.running.values())
        if left:
            await self._store.leases.hand_back(left)

    async def _stop_unwanted(self) -> bool:
        """Stop judging what nobody waits for any more: the task was cancelled, or something newer counts."""
        looked_at = list(self._waited_for.values())
        for case in await self._store.unwanted(looked_at):
            # It may have stopped while we looked: what is cancelled then would be the writing down of that.
            if (task := self.running.get(case.attempt_id)) and case.attempt_id in self._waited_for:
                self._unwanted.add(case.attempt_id)
                task.cancel()
        return bool(self._waited_for)

    async def _verdict_or_none_wanted(self, case: Case) -> dict[str, Any]:
        try:
            return await self._verdict_in_time(case)
        except asyncio.CancelledError:
            if case.attempt_id not in self._unwanted:
                raise
            log.info("verdict.not_wanted", attempt=case.attempt_id)
            return not_wanted()
        finally:
            self._waited_for.pop(case.attempt_id, None)
            self._unwanted.discard(case.attempt_id)

    async def _judge(self, case: Case) -> None:
        try:
            found = await self._verdict_or_none_wanted(case)
            await self._store.leases.finish(case.attempt_id, found)
            self.metrics.judged([found["judgement"]])
            await self._publisher.say(by_run([case.attempt_id], lambda run, ids: TaskVerified(run_id=run, verdicts=ids)))
        except Unavailable as error:
            log.warning("verdict.waits", attempt=case.attempt_id, error=str(error))
        except Exception:
            log.exception("verdict.broke", attempt=case.attempt_id)
        finally:
            self._store.leases.held.pop(case.attempt_id, None)
            self.running.pop(case.attempt_id, None)

    async def _verdict_in_time(self, case: Case) -> dict[str, Any]:
        failures = unmade = 0
        while True:
            try:
                found = await self.verdict(case, slot=self._turns.one(case.run_id))
            except Unavailable as error:
                failures += 1
                unmade += isinstance(error, SandboxFailed)
                log.warning("verdict.waits", attempt=case.attempt_id, error=str(error))
                if unmade >= MOST_UNMADE:
                    return not_judged((), f"the work is there, and could not be judged: {error}")
                await asyncio.sleep(full_jitter(failures, base=0.4, cap=5.0))
            except TaskgroveError as error:
                return verdict([Evidence(check="files", passed=False, detail=str(error))], failed_children=())
            else:
                log.info("verdict.found", attempt=case.attempt_id, judgement=found["judgement"])
                return found

    async def _evidence(self, check: Mapping[str, Any], subject: Subject) -> Evidence:
        started = asyncio.get_running_loop().time()
        try:
            params = parse_check(dict(check))
        except BadInput as error:
            return Evidence(check=str(check.get("kind")), passed=False, detail=str(error))
        try:
            found = await self._checks[params.kind].judge(params, subject)
        except TaskgroveError:
            raise
        except Exception as error:  # a check of another package must not leave its task without a verdict
            log.exception("check.broke", check=params.kind)
            found = Evidence(check=params.kind, passed=False, detail=f"the check itself broke: {type(error).__name__}: {error}; mend it")
        seconds = asyncio.get_running_loop().time() - started
        self.metrics.took(params.kind, seconds)
        return found.model_copy(update={"seconds": round(seconds, 6)})

    async def _laid_out(self, case: Case, made: list[Path]) -> Path:
        # Its own: one that only seemed dead does not share it.
        directory = self._place.directory(f"check-{case.attempt_id.replace(':', '_')}-{new_id()[-8:]}")
        made.append(directory)
        with on_disk(directory):
            await asyncio.to_thread(directory.mkdir, parents=True)
        await self._artifacts.lay_out(case.result.artifacts, directory)
        return directory


def _once(lay_out: Callable[[], Awaitable[Path]]) -> Callable[[], Awaitable[Path]]:
    """The files are laid out when the first check asks for them, and once."""
    laid_out: asyncio.Future[Path] | None = None

    async def files() -> Path:
        nonlocal laid_out
        if laid_out is None:
            laid_out = asyncio.ensure_future(lay_out())
        return await laid_out

    return files
