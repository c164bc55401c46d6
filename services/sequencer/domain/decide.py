"""What a verdict, an answer or a failed plan means for a task. Same input, same answer, every time."""

from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from services.sequencer.domain.ask import approval_id, asking_for_help, asking_question, asking_result
from services.sequencer.domain.phases import Frozen, How, Move
from services.sequencer.domain.task import Task
from shared.contracts.phases import Phase
from shared.contracts.sequencer import HINT_SECONDS

PLAN_SECONDS = 15.0
ASK_SECONDS = 30.0
PARENT_SECONDS = 10.0
UNSETTLED_SECONDS = 10.0

MOST_LOSSES = 5

FINAL_ERRORS = frozenset({"children_failed"})
FOR_PEOPLE = frozenset({"not_judged", "no_walls"})
"""Nobody could judge the work, or nothing here may run it: neither another try nor another plan would help, but a person can."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait between tries: full jitter under an exponential bound."""

    base: float
    cap: float

    def before_retry(self, task: Task) -> float:
        """Seconds until the next try. The jitter is drawn from the task and its epoch, so that it is the same each time it is asked."""
        bound = min(self.cap, self.base * 2.0 ** min(max(task.attempts - 1, 0), 30))
        return bound * crc32(f"{task.task_id}:{task.epoch}".encode()) / 2**32


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found, as far as it matters here."""

    epoch: int
    judgement: str
    error: dict[str, Any] | None
    reason: str | None = None


def after_verdict(task: Task, verdict: Verdict, patience: Patience) -> Move | None:
    """Complete it, ask, try again, break it down, or climb the ladder. None: this verdict is not about where the task stands now."""
    if task.epoch != verdict.epoch or task.phase not in (Phase.READY, Phase.INTEGRATING):
        return None
    match verdict.judgement:
        case "passed":
            how = _passed(task)
        case "too_big" if not task.children:
            how = _too_big(verdict)
        case "asks":
            how = _hold(asking_question(task, verdict.reason or task.title), approval_id(task, "question"))
        case "released" | "cancelled":
            # Given up by an executor that was told to, or believed that nobody waits for it; it is waited for, and did not count.
            how = dispatched(task, counts=False)
        case "lost" if task.losses < MOST_LOSSES:
            how = _lost(task)
        case _:
            how = _failed(task, verdict, patience)
    return Move(task, how)


def _passed(task: Task) -> How:
    checkpoint = task.checkpoint
    if checkpoint and checkpoint.get("when") == "after" and not task.approved:
        return _hold(asking_result(task, checkpoint), approval_id(task, "after"))
    return completed(task)


def _too_big(verdict: Verdict) -> How:
    fields = (("plan_reason", "expand"), ("error", Frozen({"code": "too_big", "message": verdict.reason or "too big for one go"})))
    return How(Phase.EXPANDING, wait=PLAN_SECONDS, fields=fields)


def _lost(task: Task) -> How:
    """Its executor died, which is not the task's doing: the try does not count, until it happens so often that it may be."""
    how = dispatched(task, counts=False)
    return replace(how, fields=(*how.fields, ("losses", task.losses + 1)))


def _failed(task: Task, verdict: Verdict, patience: Patience) -> How:
    error = verdict.error or {"code": "failed", "message": verdict.reason or "it failed"}
    if error.get("code") in FINAL_ERRORS:
        return failed(task, error)
    if not error.get("permanent") and task.attempts < task.max_attempts and not task.own:
        in_a_row = () if verdict.judgement == "lost" else (("losses", 0),)
        return How(Phase.RETRYING, wait=patience.before_retry(task), fields=(("error", Frozen(error)), *in_a_row))
    if task.on_failure != "ask":
        return failed(task, error)
    if task.parent_id is None or error.get("code") in FOR_PEOPLE or task.own:
        return escalated(task, error)
    return How(Phase.REPLANNING, wait=PLAN_SECONDS, fields=(("plan_reason", "replan"), ("error", Frozen(error))))


def completed(task: Task) -> How:
    """Done and verified. It waits until its dependents know, if it has any that do not look for themselves."""
    return How(Phase.COMPLETED, wait=UNSETTLED_SECONDS if task.dependents else None, passes=True, fields=(("error", None),))


def failed(task: Task, error: dict[str, Any]) -> How:
    """Not done. With `on_failure: continue` its dependents may go on without it."""
    return How(
        Phase.FAILED,
        wait=UNSETTLED_SECONDS if task.dependents else None,
        passes=task.on_failure == "continue",
        fields=(("error", Frozen({"code": error["code"], "message": error["message"]})),),
    )


def escalated(task: Task, error: dict[str, Any]) -> How:
    """A person decides: retry, take over, skip or fail."""
    fields = (
        ("error", Frozen(error)),
        ("asking", Frozen(asking_for_help(task, error))),
        ("approval_id", approval_id(task, "escalation")),
    )
    return How(Phase.ESCALATED, wait=ASK_SECONDS, fields=fields)


def cancelled(task: Task, code: str, message: str) -> How:
    """Will not be done."""
    fields = (("error", Frozen({"code": code, "message": message})), ("approval_id", None), ("asking", None))
    return How(Phase.CANCELLED, wait=UNSETTLED_SECONDS if task.dependents else None, fields=fields)


def dispatched(task: Task, *, counts: bool = True) -> How:
    """May be tried now, under a new epoch. Handed-back work does not count as a try."""
    target = Phase.INTEGRATING if task.children else Phase.READY
    attempts = task.attempts + 1 if counts else task.attempts
    return How(target, dispatch=True, wait=HINT_SECONDS, fields=(("attempts", attempts), ("nudges", 0)))


def released(task: Task) -> How:
    """What a task does once nothing is in its way: ask, be planned, or be tried."""
    checkpoint = task.checkpoint
    if checkpoint and checkpoint.get("when") == "before" and not task.approved:
        return _hold(asking_result(task, checkpoint), approval_id(task, "before"))
    return begun(task)


def begun(task: Task) -> How:
    """Nothing is in its way, and who had to be asked was: it is planned, or what is below it may go, or it is tried."""
    if task.children:
        return opened()
    return expanding(task) if task.kind == "group" else dispatched(task)


def opened() -> How:
    """Those below it may go, as far as they can."""
    return How(Phase.EXPANDED, wait=PARENT_SECONDS)


def expanding(task: Task) -> How:
    """Needs a plan of its own; the root's comes from its submission."""
    reason = "submitted" if task.parent_id is None else "expand"
    return How(Phase.EXPANDING, wait=PLAN_SECONDS, fields=(("plan_reason", reason),))


def _hold(asking: dict[str, Any], approval: str) -> How:
    return How(Phase.AWAITING_APPROVAL, wait=ASK_SECONDS, fields=(("asking", Frozen(asking)), ("approval_id", approval)))
