"""What the checker does when it hears something: judge what is quick at once, claim what is slow."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.checker.domain import Case, unjudged
from services.checker.judge import Judge
from services.checker.store import VerdictStore
from shared.aside import in_steps
from shared.contracts.approvals import RunImported
from shared.contracts.checker import TaskVerified
from shared.contracts.executor import TaskExecuted
from shared.imports import take_slice
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says, by_run
from shared.storage.port import Database
from shared.telemetry.metrics import ServiceMetrics


@dataclass(frozen=True, slots=True)
class Deps:
    """Built once, in wiring."""

    verdicts: VerdictStore
    judge: Judge
    database: Database
    common: ServiceMetrics


async def on_tasks_executed(events: Sequence[TaskExecuted], deps: Deps) -> Says:
    """When attempts have ended, there is a verdict on each: now, or under a lease when checking takes longer than a message may."""
    return await judged([attempt for event in events for attempt in event.attempts], deps)


async def on_runs_imported(events: Sequence[RunImported], deps: Deps) -> Says:
    """When a run comes back, its verdicts are taken in, and what models were paid for them."""
    for event in events:
        await take_slice(deps.database, event, ("verdicts", "checker_calls"))
    return NOTHING


async def judged(attempts: Sequence[str], deps: Deps) -> Says:
    """Judge these attempts; verdicts that exist already are said again."""
    cases = await deps.verdicts.cases(attempts)
    quick, slow = list[Case](), list[Case]()
    for case in cases:
        (slow if case.is_slow else quick).append(case)
    slow = [case for case in slow if case.attempt_id not in deps.judge.running]
    found = [unjudged(case) or await deps.judge.verdict(case) async for case in in_steps(quick)]
    await deps.verdicts.keep([case.document() | judgement for case, judgement in zip(quick, found, strict=True)])
    deps.judge.metrics.judged(judgement["judgement"] for judgement in found)
    won = await deps.judge.take_on(slow) if slow else set()
    lost = [case.attempt_id for case in slow if case.attempt_id not in won]
    said = [case.attempt_id for case in quick] + (await deps.verdicts.done(lost) if lost else [])
    return by_run(said, lambda run, ids: TaskVerified(run_id=run, verdicts=ids))


async def sweep(deps: Deps) -> Says:
    """Take over the judgements that were handed back, and those whose checker stopped renewing its leases."""
    overdue = await deps.verdicts.overdue(deps.judge.room())
    deps.common.rescued.labels(what="verdict").inc(sum(abandoned for _, abandoned in overdue))
    return await judged([attempt for attempt, _ in overdue], deps) if overdue else NOTHING


HEARS: Hears = {
    TaskExecuted: on_tasks_executed,
    RunImported: on_runs_imported,
}
