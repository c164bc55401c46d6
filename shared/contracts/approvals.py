"""What the approvals service says."""

from typing import Any, Literal

from pydantic import Field

from shared.contracts.base import WHOLE, Event
from shared.contracts.phases import Action
from shared.contracts.plan import NotesFile, RunOptions

Choice = Literal["approve", "reject", "retry", "take_over", "answer", "skip", "fail", "expired", "withdrawn"]


class TaskSubmitted(Event, name="task.submitted", said_by="approvals", heard_by=("planner", "approvals"), weighs=WHOLE):
    """Someone wants something done. Whole: this message alone starts a run, whoever published it."""

    prompt: str = Field(default="", max_length=65_536)
    notes: tuple[NotesFile, ...] = ()
    options: RunOptions = RunOptions()
    submitted_by: str = Field(default="unknown", max_length=200)


class ApprovalDecided(Event, name="approval.decided", said_by="approvals", heard_by=("sequencer", "approvals")):
    """A question was answered, or ran out of time. The answer itself is in the approval."""

    task_id: str
    approval_id: str


class TaskControl(Event, name="task.control", said_by="approvals", heard_by=("sequencer", "approvals")):
    """A person orders something for a task and all below it."""

    task_id: str
    control_id: str
    action: Action
    by: str
    reason: str = Field(default="", max_length=4_096)
    result: dict[str, Any] | None = None
    version: int | None = Field(default=None, description="the task's version that the person saw; null: whichever there is")


class RunImported(
    Event, name="run.imported", said_by="approvals", heard_by=("planner", "sequencer", "executor", "checker", "approvals"), weighs=WHOLE
):
    """An exported run came back. Each service takes its own slice out of the import."""

    import_id: str
