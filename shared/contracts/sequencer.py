"""What the sequencer says."""

from typing import Any, Literal

from pydantic import Field

from shared.contracts.base import WHOLE, Event, Value
from shared.contracts.phases import Phase
from shared.contracts.planner import PlanReason

HINT_SECONDS = 5.0
"""How long after a task became ready it is hinted at again, as long as it is stored as ready."""

ApprovalKind = Literal["checkpoint", "plan_review", "escalation", "question"]


class TaskReady(Event, name="task.ready", said_by="sequencer", heard_by=("executor", "approvals"), carries="attempts", shared=True):
    """These tasks may be tried now: attempt ids, `task:epoch`."""

    attempts: tuple[str, ...]


class PlanRequested(Event, name="plan.requested", said_by="sequencer", heard_by=("planner", "approvals"), weighs=WHOLE):
    """A task needs a plan of its own, or a new one after failures."""

    task_id: str
    version: int
    reason: PlanReason
    failures: tuple[str, ...] = ()


class ApprovalRequested(Event, name="approval.requested", said_by="sequencer", heard_by=("approvals",)):
    """A person must answer before this task can go on."""

    task_id: str
    approval_id: str
    kind: ApprovalKind
    title: str
    question: str
    choices: tuple[str, ...]
    approvers: tuple[str, ...] = ()
    required: int = 1
    within: float | None = None
    digest: str
    context: dict[str, Any] = Field(default_factory=dict)


class TaskCompleted(Event, name="task.completed", said_by="sequencer", heard_by=("approvals",), carries="tasks"):
    """These tasks ended well: completed, or skipped by a person."""

    tasks: tuple[str, ...]
    phase: Phase = Phase.COMPLETED


class TaskFailed(Event, name="task.failed", said_by="sequencer", heard_by=("approvals",), carries="tasks"):
    """These tasks ended without being done: failed or cancelled."""

    tasks: tuple[str, ...]
    phase: Phase = Phase.FAILED


class TaskReopened(Event, name="task.reopened", said_by="sequencer", heard_by=("approvals",), carries="tasks"):
    """These tasks are to be done again, or joined again: how they ended before, and what was asked about them, counts no more."""

    tasks: tuple[str, ...]


class Failure(Value):
    """Why a task is where it is."""

    code: str
    message: str
