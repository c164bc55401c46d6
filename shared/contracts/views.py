"""What people and programs see over HTTP: a task, an approval, a run, as JSON. What is not known is null, never 0."""

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.contracts.base import Value
from shared.contracts.checker import Evidence
from shared.contracts.executor import Result
from shared.contracts.phases import Phase, Status
from shared.contracts.plan import Checkpoint, Kind, NotesFile, RunOptions
from shared.contracts.sequencer import ApprovalKind, Failure


class Usage(Value):
    """What an attempt cost. Of a group: the sum of what is known below it; `unpriced` model calls are in no sum of dollars."""

    seconds: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usd: float | None = None
    unpriced: int | None = None


class TaskView(Value):
    """One task, joined from the slices of all services."""

    task_id: str
    run_id: str
    parent_id: str | None
    child_ids: tuple[str, ...] = ()
    title: str
    description: str = ""
    kind: Kind = "work"
    status: Status
    phase: Phase
    paused: bool = False
    dependencies: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    assigned_agent: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    checks: tuple[dict[str, Any], ...] = ()
    checkpoint: Checkpoint | None = None
    notes: tuple[str, ...] = ()
    attempt: int = 0
    max_attempts: int = 1
    depth: int = 0
    group: int | None = None
    critical: bool = False
    priority: int = 5
    position: int = 0
    result: Result | None = None
    evidence: tuple[Evidence, ...] = ()
    usage: Usage = Usage()
    error: Failure | None = None
    version: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    children: tuple["TaskView", ...] | None = Field(default=None, description="with ?tree=full only")
    counts: dict[str, int] | None = Field(default=None, description="of a run: how many tasks are in each phase")


class TaskPage(Value):
    """Some tasks, and the cursor that brings the next ones; null: there are no more."""

    items: tuple[TaskView, ...]
    next_cursor: str | None = None


class SubmitRequest(Value):
    """`POST /tasks`: what is wanted."""

    description: str = Field(default="", max_length=65_536, description="the prompt")
    prompt: str = Field(default="", max_length=65_536, description="another name for description")
    notes: tuple[NotesFile, ...] = ()
    options: RunOptions = RunOptions()


class TaskUpdate(Value):
    """`PUT /tasks/{id}`: an order. `status` is another name for an action: Completed is complete, Failed is cancel."""

    action: str | None = None
    status: Status | None = None
    reason: str = Field(default="", max_length=4_096)
    result: Result | None = None
    version: int | None = Field(default=None, description="the version that was seen; when the task has another one by now, it is 409")


class RerunView(Value):
    """What `rerun` would do to a task with this version."""

    task_id: str
    version: int
    again: int = Field(description="tasks that would be done again, the task itself among them")
    joined: int = Field(description="groups around them that would only join their results again")
    kept: int = Field(description="tasks of the run that would stay as they are")


class ApprovalView(Value):
    """One question to people."""

    approval_id: str
    run_id: str
    task_id: str
    kind: ApprovalKind
    title: str
    question: str
    choices: tuple[str, ...]
    approvers: tuple[str, ...] = ()
    required: int = 1
    state: str = Field(description="pending, approve, reject, retry, take_over, skip, fail, expired or withdrawn")
    digest: str
    context: dict[str, Any] = Field(default_factory=dict)
    decisions: tuple[dict[str, Any], ...] = ()
    requested_at: datetime | None = None
    expires_at: datetime | None = None


class ApprovalPage(Value):
    """Some approvals."""

    items: tuple[ApprovalView, ...]
    next_cursor: str | None = None


class DecisionRequest(Value):
    """`POST /approvals`: an answer. `digest`, when given, must be the one that was shown: what changed since is not approved."""

    approval_id: str
    decision: str
    comment: str = Field(default="", max_length=4_096)
    edits: dict[str, Any] | None = Field(default=None, description="kept for later: an answer with edits is refused")
    result: Result | None = None
    digest: str | None = None


class SequenceView(Value):
    """What the sequencer derived from the plan of one task."""

    task_id: str
    plan_id: str
    order: tuple[str, ...]
    edges: tuple[tuple[str, str], ...] = Field(description="(dependency, dependent)")
    groups: tuple[tuple[str, ...], ...] = Field(description="what may run at the same time; reported, never a barrier")
    critical_path: tuple[str, ...]
    integration: tuple[str, ...]
    forecast_seconds: float | None = Field(default=None, description="length of the critical path; null: no task says how long it takes")


class LogLine(Value):
    """One line of the logs."""

    id: str
    ts: datetime
    level: str
    service: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    attempt: str | None = None
    trace_id: str | None = None
    event: str
    message: str


class LogPage(Value):
    """Some log lines, oldest first."""

    items: tuple[LogLine, ...]
    next_cursor: str | None = None


class QuarantineView(Value):
    """One message that no service could use."""

    quarantine_id: str
    service: str
    reason: str
    routing_key: str
    message_id: str
    count: int
    at: datetime
    last_at: datetime | None = Field(default=None, description="when it came the last time")
    replays: int = Field(default=0, description="how often it was said again")
    replay_by: str | None = Field(default=None, description="who said it again last")
    replay_at: datetime | None = None
    replayed: bool = Field(default=False, description="it was said again and has not come back")
    replay_of: str | None = Field(default=None, description="the message in quarantine that was replayed, of which this came")
    body: str | None = Field(default=None, description="only when one is shown; bytes that are no text as escapes")


class QuarantinePage(Value):
    """Some messages in quarantine."""

    items: tuple[QuarantineView, ...]
    next_cursor: str | None = None


class Problem(Value):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[dict[str, Any], ...] = ()
    legal: tuple[str, ...] | None = Field(default=None, description="with 409: what is possible now")
