"""What the executor does when it hears something: claim, and let the work go on after the message is acked."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.executor.store import AttemptStore
from services.executor.workers import Workers
from shared.contracts.approvals import RunImported
from shared.contracts.executor import TaskExecuted
from shared.contracts.sequencer import TaskReady
from shared.imports import take_slice
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says, by_run
from shared.storage.port import Database
from shared.telemetry.metrics import ServiceMetrics


@dataclass(frozen=True, slots=True)
class Deps:
    """Built once, in wiring."""

    attempts: AttemptStore
    workers: Workers
    database: Database
    common: ServiceMetrics


async def on_tasks_ready(events: Sequence[TaskReady], deps: Deps) -> Says:
    """When tasks may be tried, they are claimed and started; attempts that are over already are said again."""
    ended = await deps.workers.offer(attempt for event in events for attempt in event.attempts)
    return by_run(ended, lambda run, ids: TaskExecuted(run_id=run, attempts=ids))


async def on_runs_imported(events: Sequence[RunImported], deps: Deps) -> Says:
    """When a run comes back, its attempts are taken in, and what models were paid for them."""
    for event in events:
        await take_slice(deps.database, event, ("attempts", "executor_calls"))
    return NOTHING


async def sweep(deps: Deps) -> Says:
    """End the attempts whose executor stopped renewing its leases, and say so."""
    lost = await deps.attempts.expire()
    deps.common.rescued.labels(what="lease").inc(len(lost))
    return by_run(lost, lambda run, ids: TaskExecuted(run_id=run, attempts=ids))


HEARS: Hears = {
    TaskReady: on_tasks_ready,
    RunImported: on_runs_imported,
}
