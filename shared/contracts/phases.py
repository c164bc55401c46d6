"""The words for where a task stands. Which move is legal is decided by one table in `services/sequencer/domain`."""

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


def legal_actions(phase: Phase, *, paused: bool) -> list[Action]:
    """What a person may order for a task in this phase; the API's 409 lists them."""
    if phase in (Phase.FAILED, Phase.CANCELLED):
        return [Action.RETRY, Action.RERUN]
    if phase in TERMINAL:
        return [Action.RERUN]
    hold = Action.RESUME if paused else Action.PAUSE
    if phase in (Phase.EXPANDING, Phase.EXPANDED, Phase.REPLANNING):
        return [Action.CANCEL, hold]
    if phase is Phase.ESCALATED:
        return [Action.CANCEL, hold, Action.RETRY, Action.COMPLETE]
    return [Action.CANCEL, hold, Action.COMPLETE]
