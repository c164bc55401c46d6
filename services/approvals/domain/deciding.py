"""Who may answer a question, which answers there are, and when it is decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from services.approvals.domain.principals import Principal
from shared.contracts.approvals import Choice
from shared.contracts.views import DecisionRequest
from shared.errors import BadInput, Conflict, Forbidden

PENDING = "pending"
EXPIRED = "expired"
WITHDRAWN = "withdrawn"
APPROVE = "approve"
TAKE_OVER = "take_over"
ANSWER = "answer"
QUESTION = "question"
ANSWERS = frozenset(get_args(Choice)) - {EXPIRED, WITHDRAWN}


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer, checked. `state` is what the approval becomes by it; None: others must answer as well."""

    entry: dict[str, Any]
    state: str | None


def decide(approval: Mapping[str, Any], who: Principal, request: DecisionRequest, *, at: datetime) -> Vote:
    """What the answer does. Raises Forbidden, Conflict or BadInput with the reason when it cannot count."""
    _may(approval, who)
    _open(approval, who.name, at)
    if request.digest is not None and request.digest != approval["digest"]:
        raise Conflict(f"{approval['_id']} is about something else than you were shown: its digest is {approval['digest']}; look again")
    decision = _decision(approval, request)
    entry: dict[str, Any] = {"by": who.name, "decision": decision, "comment": request.comment, "at": at.isoformat(timespec="milliseconds")}
    if decision == TAKE_OVER:
        entry["result"] = _result(request)
    elif decision == ANSWER:
        entry |= _answer(request)
    return Vote(entry, decision if _is_decided(approval, decision) else None)


def _may(approval: Mapping[str, Any], who: Principal) -> None:
    if not who.may_answer(approval["approvers"]):
        asked = ", ".join(approval["approvers"]) or "every approver"
        raise Forbidden(f"{approval['_id']} is a question to {asked}, with the role approver; {who.name} is none of them")


def _open(approval: Mapping[str, Any], name: str, at: datetime) -> None:
    if approval["state"] != PENDING:
        by = ", ".join(entry["by"] for entry in approval["decisions"])
        raise Conflict(f"{approval['_id']} is settled: {approval['state']}{f' by {by}' if by else ''}")
    if (until := approval.get("expires_at")) and at >= until:
        raise Conflict(f"{approval['_id']} ran out of time at {until.isoformat(timespec='seconds')}")
    if any(entry["by"] == name for entry in approval["decisions"]):
        raise Conflict(f"{name} has already answered {approval['_id']}; {approval['required']} different people must")


def _decision(approval: Mapping[str, Any], request: DecisionRequest) -> str:
    """The answer as one of the house's choices. A question may offer words of its own: each takes over, with the answer as result."""
    choices, given = approval["choices"], request.decision
    own_words = approval["kind"] == QUESTION
    if given not in choices and not (own_words and given == TAKE_OVER):
        raise BadInput(f"decision: {given!r} is not a choice here; there are: {', '.join(choices)}")
    if given not in ANSWERS and not own_words:
        raise BadInput(f"decision: {given!r} is offered, but nothing here knows what it does; there are: {', '.join(sorted(ANSWERS))}")
    if request.edits:
        raise BadInput("edits: nothing here carries them out, so nothing was decided; reject it and say in the comment what to change")
    return given if given in ANSWERS else TAKE_OVER


def _result(request: DecisionRequest) -> dict[str, Any]:
    if request.result is not None:
        return request.result.wire()
    if request.decision == TAKE_OVER:
        raise BadInput("result: to take over, give the result: summary, data or both")
    return {"summary": request.decision, "artifacts": [], "data": {"answer": request.decision}}


def _answer(request: DecisionRequest) -> dict[str, Any]:
    """What the agent that asked is told: the comment, a result, or both."""
    if not request.comment.strip() and request.result is None:
        raise BadInput("comment: write the answer there (on the command line: --comment), the agent that asked goes on with it")
    return {"result": request.result.wire()} if request.result is not None else {}


def _is_decided(approval: Mapping[str, Any], decision: str) -> bool:
    if decision != APPROVE:
        return True
    approvals: int = sum(entry["decision"] == APPROVE for entry in approval["decisions"])
    needed: int = approval["required"]
    return approvals + 1 >= needed
