"""The words for where a task stands, and the table of orders. Which move is legal is decided by one in `services/sequencer/domain`."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """The exact state of a task. `running` and `checking` are read off its attempt, so that they cost no write."""

    BLOCKED = "blocked"
    AWAITING_APPROVAL = "awaiting_approval"
    READY = "ready"
    RUNNING = "running"
    EXPANDING = "expanding"
    EXPANDED = "expanded"
    INTEGRATING = "integrating"
    CHECKING = "checking"
    RETRYING = "retrying"
    REPLANNING = "replanning"
    ESCALATED = "escalated"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Status(StrEnum):
    """The four public values."""

    PENDING = "Pending"
    IN_PROGRESS = "In Progress"
    COMPLETED = "Completed"
    FAILED = "Failed"


class Action(StrEnum):
    """What a person may order for a task."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    RERUN = "rerun"
    COMPLETE = "complete"


TERMINAL = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED, Phase.SKIPPED})

STATUS = {
    Phase.BLOCKED: Status.PENDING,
    Phase.AWAITING_APPROVAL: Status.PENDING,
    Phase.READY: Status.PENDING,
    Phase.RUNNING: Status.IN_PROGRESS,
    Phase.EXPANDING: Status.IN_PROGRESS,
    Phase.EXPANDED: Status.IN_PROGRESS,
    Phase.INTEGRATING: Status.IN_PROGRESS,
    Phase.CHECKING: Status.IN_PROGRESS,
    Phase.RETRYING: Status.IN_PROGRESS,
    Phase.REPLANNING: Status.IN_PROGRESS,
    Phase.ESCALATED: Status.IN_PROGRESS,
    Phase.COMPLETED: Status.COMPLETED,
    Phase.SKIPPED: Status.COMPLETED,
    Phase.FAILED: Status.FAILED,
    Phase.CANCELLED: Status.FAILED,
}


ANY = frozenset(Phase)
OPEN = ANY - TERMINAL
PLANNED_BELOW = frozenset({Phase.EXPANDING, Phase.EXPANDED, Phase.REPLANNING})
"""What a task waits for here is below it, or about to be: nobody can hand in its result instead."""


@dataclass(frozen=True, slots=True)
class Row:
    """An order in some phases: to which of these the task may go by it, at once, and what follows."""

    action: Action
    phases: frozenset[Phase]
    leads_to: frozenset[Phase]
    follows: str


ROWS = (
    Row(
        Action.CANCEL,
        OPEN,
        frozenset({Phase.CANCELLED}),
        "All that is open below it is cancelled as well. What runs for any of them ends within a second: scripts with all that "
        "they started, checks, calls of models, plans in the making. Tasks that wait for it are cancelled "
        "(`dependency_failed`). Its parent goes on to its end.",
    ),
    Row(
        Action.PAUSE,
        OPEN,
        frozenset(),
        "The phase stays. Nothing is started at it and below it; scripts that run are stopped where they are, and their clocks "
        "with them. Of a task that is paused: refused.",
    ),
    Row(
        Action.RESUME,
        OPEN,
        frozenset(),
        "The phase stays. What was held goes on, what could have started meanwhile starts. Of a task that is not paused: refused.",
    ),
    Row(
        Action.RETRY,
        frozenset({Phase.ESCALATED}),
        frozenset({Phase.READY, Phase.INTEGRATING, Phase.EXPANDING, Phase.BLOCKED}),
        "It is tried again by its own agent, with as many tries as at first; the question about it is closed. Where a person had "
        "handed in its result, it goes back to blocked first: what it waits for may not be done.",
    ),
    Row(
        Action.RETRY,
        frozenset({Phase.FAILED, Phase.CANCELLED}),
        frozenset({Phase.BLOCKED, Phase.EXPANDED}),
        "It comes back with what failed or was cancelled below it, and with what was given up because of it. What went on "
        "without it (`on-failure: continue`, or skipped around it) is done again. What is around it lives again, and joins its "
        "results again.",
    ),
    Row(
        Action.RERUN,
        TERMINAL,
        frozenset({Phase.BLOCKED, Phase.EXPANDED}),
        "It is done again, with all below it and all that comes after it: what waits for it, or for a group around it, directly "
        "or not, in whatever state that is. Groups around it, up to the root, join their results again. All else is kept, and "
        "its results are used. Approvals given for what is done again are asked for again; what people told an agent stays "
        "known to it; a result that a person handed in counts no more. Plans stay: what was broken down is not planned anew. "
        "The order names the version that was seen; for another one it is refused.",
    ),
    Row(
        Action.COMPLETE,
        OPEN - PLANNED_BELOW,
        frozenset({Phase.READY, Phase.INTEGRATING}),
        "The result that a person hands in goes the way of any other, through the checker; an attempt that runs ends. If a "
        "check refuses it, a person is asked, and a retry is made by the task's own agent. Refused while something below the "
        "task is open. Where people must approve the task before it starts, and have not yet: only for who could approve it "
        "alone. About the result of a task that is approved after it, they are asked as about any other.",
    ),
)


def row_of(action: Action, phase: Phase) -> Row | None:
    """What the order does in this phase; None: it is refused."""
    return next((row for row in ROWS if row.action is action and phase in row.phases), None)


def legal_actions(phase: Phase, *, paused: bool) -> list[Action]:
    """What a person may order for a task in this phase; the API's 409 lists them."""
    held = Action.PAUSE if paused else Action.RESUME
    return [action for action in Action if action is not held and row_of(action, phase)]
