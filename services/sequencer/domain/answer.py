"""What a person's answer, or a plan that could not be made, means for a task."""

import json
from dataclasses import dataclass, replace
from typing import Any

from services.sequencer.domain.decide import (
    ASK_SECONDS,
    PARENT_SECONDS,
    UNSETTLED_SECONDS,
    begun,
    completed,
    dispatched,
    escalated,
    expanding,
    failed,
)
from services.sequencer.domain.own import own_again
from services.sequencer.domain.phases import Frozen, How, Move
from services.sequencer.domain.task import Task
from shared.contracts.phases import Phase

MOST_ANSWERS = 20
AFRESH = {"attempts": 1, "error": None, "approval_id": None, "asking": None}

Own = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An approval that is decided, as far as it matters here."""

    approval_id: str
    kind: str
    state: str
    by: str
    comment: str
    result: dict[str, Any] | None
    own: Own | None = None
    """Agent and inputs of the task, where the answer takes their place."""


def after_answer(task: Task, answer: Answer) -> Move | None:
    """The move that the answer asks for; None when the task no longer waits for it."""
    if task.approval_id != answer.approval_id or task.phase not in (Phase.AWAITING_APPROVAL, Phase.ESCALATED):
        return None
    return Move(task, _answered(task, answer))


def _answered(task: Task, answer: Answer) -> How:
    match answer.state:
        case "approve":
            how = _approved(task, answer.kind)
        case "retry":
            how = tried_again(task)
        case "answer":
            how = _told(task, answer)
        case "take_over":
            return taken_over(task, answer.result, by=answer.by, own=answer.own)
        case "skip":
            note = Frozen({"code": "skipped", "message": _said(answer, "skipped")})
            how = How(Phase.SKIPPED, wait=UNSETTLED_SECONDS if task.dependents else None, passes=True, fields=(("error", note),))
        case "withdrawn":
            return _asked_again(task)
        case "expired":
            how = failed(task, {"code": "expired", "message": "nobody answered in time"})
        case _:
            error = task.error if answer.state == "fail" and task.error else {"code": "rejected", "message": _said(answer, "rejected")}
            how = failed(task, error)
    return _with(how)


def _approved(task: Task, kind: str) -> How:
    if kind == "plan_review":
        return replace(expanding(task), fields=(*expanding(task).fields, ("approved_plan", True)))
    if task.checkpoint and task.checkpoint.get("when") == "after":
        return completed(task)
    how = begun(task)
    return replace(how, fields=(*how.fields, ("approved", True)))


def _told(task: Task, answer: Answer) -> How:
    """The agent goes on with what it was told, now and before. That it asked does not count as a try."""
    question = str((task.asking or {}).get("question", ""))
    exchange = {"question": question, "answer": _words(answer), "by": answer.by}
    how = dispatched(task, counts=False)
    return replace(how, fields=(*how.fields, ("answers", tuple(Frozen(one) for one in [*task.answers, exchange][-MOST_ANSWERS:]))))


def _words(answer: Answer) -> str:
    """What the person wrote, wherever they wrote it."""
    result = answer.result or {}
    data = json.dumps(result["data"], sort_keys=True, ensure_ascii=False) if result.get("data") else ""
    return "\n".join(part for part in (answer.comment, str(result.get("summary") or ""), data) if part)


def tried_again(task: Task) -> How:
    """With as many tries as at first, by its own agent. The new epoch makes the next question about it a new one."""
    if task.own:  # a result was handed in, perhaps before what it waits for was done
        return How(Phase.BLOCKED, renew=True, wait=PARENT_SECONDS, fields=tuple((AFRESH | {"attempts": 0} | own_again(task)).items()))
    how = replace(expanding(task), renew=True) if task.kind == "group" and not task.children else dispatched(task)
    return replace(how, fields=tuple((dict(how.fields) | AFRESH | own_again(task)).items()))


def _asked_again(task: Task) -> How:
    """The question was closed without an answer, and the task still waits: ask anew, under another id."""
    fields = (("asking", Frozen(task.asking or {})), ("approval_id", f"{task.approval_id}:again"))
    return How(task.phase, wait=ASK_SECONDS, fields=fields)


def taken_over(task: Task, result: dict[str, Any] | None, *, by: str, own: Own | None) -> How:
    """A person did it: their result goes the way of any other, through the checker. Its own agent is kept, for a later retry."""
    submitted = {**(result or {}), "by": by}
    target = Phase.INTEGRATING if task.children else Phase.READY
    kept = Frozen(task.own or own or {})
    fields = (
        *(("agent", "human"), ("inputs", Frozen({"submitted": submitted})), ("nudges", 0), ("approval_id", None), ("asking", None)),
        ("own", kept or None),
    )
    return How(target, dispatch=True, wait=5.0, fields=fields)


def after_plan_failed(task: Task, error: str) -> Move | None:
    """There is no plan: a run that never began has failed; anything else climbs to a person."""
    if task.phase not in (Phase.EXPANDING, Phase.REPLANNING):
        return None
    cause = {"code": "no_plan", "message": error}
    if task.phase is Phase.EXPANDING and (task.parent_id is None or task.on_failure != "ask"):
        return Move(task, _next_version(task, failed(task, cause)))
    return Move(task, _next_version(task, escalated(task, task.error if task.phase is Phase.REPLANNING and task.error else cause)))


def _next_version(task: Task, how: How) -> How:
    """Who tries again asks for another plan. A nested group has one plan only, which was made with its parent's."""
    if task.has_one_plan_only:
        return how
    return replace(how, fields=(*how.fields, ("plan_version", task.plan_version + 1)))


def _with(how: How) -> How:
    """The question is answered: nothing is asked any more."""
    return replace(how, fields=tuple((dict(how.fields) | {"approval_id": None, "asking": None}).items()))


def _said(answer: Answer, what: str) -> str:
    return f"{what} by {answer.by}" + (f": {answer.comment}" if answer.comment else "")
