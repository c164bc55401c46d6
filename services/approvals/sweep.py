"""What was said and did not arrive is said again; what ran out of time is closed. All replicas alike: their races are harmless."""

import asyncio
from collections.abc import Sequence

import structlog
from pydantic import ValidationError

from services.approvals.answering import withdraw_next_unasked
from services.approvals.deps import Deps
from services.approvals.domain.controls import is_done_with
from services.approvals.domain.deciding import EXPIRED, PENDING
from services.approvals.store.resend import overdue, settle, wait_longer
from services.approvals.store.submissions import said_by
from shared.contracts.approvals import ApprovalDecided, RunImported
from shared.contracts.base import Event
from shared.messaging.codec import explain
from shared.messaging.publisher import Says
from shared.orders import FIELDS as NOTED
from shared.storage.port import Doc

log = structlog.get_logger()


async def sweep(deps: Deps) -> Says:
    """Look for everything of ours that is due."""
    *said, _ = await asyncio.gather(_submissions(deps), _approvals(deps), _imports(deps), withdraw_next_unasked(deps))
    return [event for events in said for event in events]


async def _submissions(deps: Deps) -> Sequence[Event]:
    """Submissions are settled by a plan or a root task, orders by the task that carries their id."""
    due = await overdue(deps.submissions.collection)
    if not due:
        return ()
    submitted = [doc for doc in due if doc["kind"] == "submission"]
    ordered = [doc for doc in due if doc["kind"] == "control"]
    planned = await deps.reads.planned([doc["_id"] for doc in submitted])
    tasks = await deps.reads.tasks({doc["task_id"] for doc in ordered}, NOTED)
    await settle(deps.submissions.collection, [doc for doc in submitted if doc["_id"] in planned], state="planned")
    carried_out = {doc["_id"] for doc in ordered if is_done_with(doc, tasks.get(doc["task_id"]))}
    await settle(deps.submissions.collection, [doc for doc in ordered if doc["_id"] in carried_out], state="done")
    again = [doc for doc in due if doc["_id"] not in planned | carried_out]
    await wait_longer(deps.submissions.collection, again)
    return [event for doc in again if (event := _said_again(deps, doc))]


def _said_again(deps: Deps, doc: Doc) -> Event | None:
    """The event that was kept; None: an earlier version took what nobody can hear. The others that are due must not wait because of it."""
    try:
        event = said_by(doc)
    except ValidationError as error:
        log.warning(
            "sweep.cannot_be_said", run_id=doc["run_id"], subject=doc["_id"], error=f"{explain(error)}; cancel it and submit it anew"
        )
        return None
    _rescued(deps, doc["kind"], doc)
    return event


async def _approvals(deps: Deps) -> Sequence[Event]:
    """Open questions that are due have expired; settled ones are said until their task waits for them no more."""
    due = await overdue(deps.approvals.collection)
    if not due:
        return ()
    expired = [doc for one in due if one["state"] == PENDING and (doc := await deps.approvals.expire(one["_id"]))]
    for doc in expired:
        deps.metrics.decided.labels(decision=EXPIRED).inc()
        log.info("approval.expired", task_id=doc["task_id"], approval_id=doc["_id"])
    settled = [doc for doc in due if doc["state"] != PENDING]
    tasks = await deps.reads.tasks({doc["task_id"] for doc in settled}, ("approval_id",))
    waited_for = [doc for doc in settled if tasks.get(doc["task_id"], {}).get("approval_id") == doc["_id"]]
    await settle(deps.approvals.collection, [doc for doc in settled if doc not in waited_for])
    await wait_longer(deps.approvals.collection, waited_for)
    for doc in waited_for:
        _rescued(deps, "approval", doc)
    return [ApprovalDecided(run_id=doc["run_id"], task_id=doc["task_id"], approval_id=doc["_id"]) for doc in [*expired, *waited_for]]


async def _imports(deps: Deps) -> Sequence[Event]:
    """An import is settled once every service has taken its slice."""
    due = await overdue(deps.imports.collection)
    taken = [header for header in due if await deps.imports.is_taken(header)]
    if taken:
        await deps.imports.done(taken)
    again = [header for header in due if header not in taken]
    await wait_longer(deps.imports.collection, again)
    if again:
        await deps.imports.stay([header["header_of"] for header in again])  # who announced them may have died before this
    for header in again:
        _rescued(deps, "import", header)
    return [RunImported(run_id=header["run_id"], import_id=header["header_of"]) for header in again]


def _rescued(deps: Deps, what: str, doc: Doc) -> None:
    deps.ground.metrics.rescued.labels(what=what).inc()
    log.info("sweep.said_again", what=what, run_id=doc["run_id"], subject=doc["_id"])
