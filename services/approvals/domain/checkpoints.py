"""What would let a task go on past its checkpoint: only who could have approved it alone may order or answer that."""

from collections.abc import Mapping
from typing import Any

from services.approvals.domain.deciding import TAKE_OVER
from services.approvals.domain.principals import Principal
from shared.contracts.phases import Action, Phase
from shared.errors import Conflict, Forbidden

SKIP = "skip"
LETS_GO = frozenset({TAKE_OVER, SKIP})
PASSES = {"before": LETS_GO | {Action.COMPLETE}, "after": frozenset({SKIP})}
"""By when people are asked. About a result that is handed in they are asked `after` it, as about any other."""
READ = ("checkpoint", "approved", "approval_id", "phase")
"""What must be known of the task."""


def check_checkpoint(task: Mapping[str, Any], who: Principal, what: str) -> None:
    """Raises Forbidden or Conflict for an order or an answer that goes around people who must still approve the task."""
    checkpoint = task.get("checkpoint")
    if not checkpoint or task.get("approved") or what not in PASSES[checkpoint.get("when", "before")]:
        return
    approvers, required = checkpoint.get("approvers", ()), checkpoint.get("required", 1)
    asked = ", ".join(approvers) or "every approver"
    if not who.may_answer(approvers):
        others = f"{asked}, with the role approver; {who.name} is none of them, and {what} would go around them"
        raise Forbidden(f"{task['_id']} needs the approval of {others}: {_instead(task, what)}")
    if required > 1:
        others = f"{required} different people ({asked}), and {what} by one would go around the others"
        raise Conflict(f"{task['_id']} needs the approval of {others}: {_instead(task, what)}")


def _instead(task: Mapping[str, Any], what: str) -> str:
    if what in LETS_GO:
        return "give an answer after which they are asked, or let it fail"
    if task["phase"] == Phase.AWAITING_APPROVAL:
        return f"answer {task['approval_id']} first"
    return "they are asked once what it waits for is done"
