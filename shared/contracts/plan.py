"""A plan: what a planner proposes for one task. Versioned, never edited in place."""

from typing import Any, Literal

from pydantic import Field

from shared.contracts.base import Value

Kind = Literal["work", "group", "integration"]
OnFailure = Literal["ask", "fail", "continue"]
PRIORITY = 5
"""Of a task for which nobody has said another."""
MOST_AT_ONCE = 100_000


class Checkpoint(Value):
    """A place where people must approve. `approvers` are names or groups; empty means anyone with the role approver."""

    when: Literal["before", "after"] = "before"
    approvers: tuple[str, ...] = ()
    required: int = Field(default=1, ge=1, le=20)
    within: float | None = Field(default=None, gt=0, description="seconds until the question expires; null: never")


class TaskSpec(Value):
    """One task of a plan. `after` and `key` are names among siblings; `subtasks` make it a group."""

    key: str = Field(min_length=1, max_length=120)
    title: str = Field(min_length=1, max_length=300)
    description: str = Field(default="", max_length=65_536)
    kind: Kind = "work"
    after: tuple[str, ...] = ()
    agent: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    outputs: tuple[str, ...] = Field(default=(), description="globs of the files to keep; empty: all files it leaves")
    checks: tuple[dict[str, Any], ...] = ()
    checkpoint: Checkpoint | None = None
    notes: tuple[str, ...] = ()
    retries: int = Field(default=2, ge=0, le=100)
    timeout: float | None = Field(default=None, gt=0, description="seconds one attempt may take; null: the executor's default")
    on_failure: OnFailure = "ask"
    priority: int = Field(default=PRIORITY, ge=0, le=9, description="9 goes first, 0 last; where it is not set, the parent's")
    estimate: float | None = Field(default=None, ge=0, description="seconds it is expected to take; null: not known")
    subtasks: tuple["TaskSpec", ...] = ()


class Plan(Value):
    """The subtasks of one task, as proposed."""

    task_id: str
    version: int = Field(default=1, ge=1)
    planner: str
    title: str = Field(default="", max_length=300)
    description: str = ""
    checks: tuple[dict[str, Any], ...] = Field(default=(), description="what the parent itself must pass, after its children")
    model: str | None = Field(default=None, description="the language model that made it; null: none")
    prompt_hash: str | None = Field(default=None, description="SHA-256 of the prompt's templates; null: no model was asked")
    priority: int | None = Field(default=None, ge=0, le=9, description="of its tasks that say none; null: 5")
    concurrency: int | None = Field(default=None, ge=1, le=MOST_AT_ONCE, description="most tasks of the run at once; null: any number")
    tasks: tuple[TaskSpec, ...]


class RunOptions(Value):
    """What a submission may set for its run."""

    planner: str = "outline"
    review: bool = Field(default=False, description="ask a person to approve the plan before it starts")
    time_scale: float = Field(default=1.0, ge=0, allow_inf_nan=False, description="for WfFormat: recorded seconds times this")
    max_tasks: int = Field(default=20_000, ge=1, le=200_000)
    max_depth: int = Field(default=8, ge=1, le=32)
    max_width: int = Field(default=20_000, ge=1, le=200_000)
    inputs: dict[str, str] = Field(default_factory=dict, description="given to every task as TASKGROVE_INPUT_<NAME>")
    priority: int | None = Field(
        default=None, ge=0, le=9, description="of tasks that say none, 9 goes first; null: as the notes say, else 5"
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=MOST_AT_ONCE,
        description="most tasks of the run at once, over all executors; null: as the notes say, else any number",
    )


class NotesFile(Value):
    """One file of notes: its name as the user knows it, and its text."""

    name: str = Field(min_length=1, max_length=400)
    text: str
