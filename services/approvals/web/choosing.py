"""A question as its form shows it: who may answer, with which buttons, or how it was settled. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import Any

from services.approvals.domain.deciding import ANSWER, APPROVE, EXPIRED, PENDING, QUESTION, TAKE_OVER, WITHDRAWN
from services.approvals.domain.principals import ADMIN, Principal
from services.approvals.web.tree import place_of

LABELS = {
    APPROVE: "Approve", "reject": "Reject", "retry": "Try again", "skip": "Skip it", "fail": "Let it fail", ANSWER: "Answer",
    TAKE_OVER: "Take over with this result",
}  # fmt: skip
PRIMARY = (APPROVE, "retry", ANSWER)
DANGER = ("reject", "fail")
PAST = {
    APPROVE: "approved", "reject": "rejected", "retry": "tried again", "skip": "skipped", "fail": "failed", ANSWER: "answered",
    TAKE_OVER: "taken over", EXPIRED: "closed, because its time ran out", WITHDRAWN: "withdrawn, because its task went on without it",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wrote into the form."""

    decision: str = ""
    comment: str = ""
    summary: str = ""
    data: str = ""

    @property
    def texts(self) -> Sequence[tuple[str, str]]:
        """What would be lost with it: each field that was written, under its name."""
        fields = (("Comment", self.comment), ("Result", self.summary), ("Data", self.data))
        return [(name, text) for name, text in fields if text.strip()]


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: `style` is primary, danger or empty."""

    value: str
    label: str
    style: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `wants_result`: the result is the answer.

    `why_not` says why whoever looks cannot answer (empty: they can), and `command` what an admin can do then. `too_late` is what is said
    to whoever answers all the same when it is settled.
    """

    doc: Mapping[str, Any]
    place: str
    choices: Sequence[Choice]
    takes_over: bool
    is_open: bool
    why_not: str
    command: str
    settled: str
    too_late: str
    given: int
    takes_answer: bool
    wants_result: bool


def asked_of(approval: Mapping[str, Any], who: Principal, *, withdrawn: bool, now: datetime) -> Asked:
    """What the page shows of it."""
    state = _state(approval, withdrawn=withdrawn, now=now)
    choices = [Choice(name, LABELS.get(name, name), _style(name)) for name in approval["choices"] if name != TAKE_OVER]
    return Asked(
        doc=approval,
        place=place_of(approval["task_id"]),
        choices=choices,
        takes_over=TAKE_OVER in approval["choices"] or approval["kind"] == QUESTION,
        is_open=state == PENDING,
        why_not=_why_not(approval, who) if state == PENDING else "",
        command=_command(approval, who),
        settled="" if state == PENDING else settled_words(approval, state),
        too_late=too_late_words(approval, state, who),
        given=sum(entry["decision"] == APPROVE for entry in approval["decisions"]),
        takes_answer=ANSWER in approval["choices"],
        wants_result=approval["kind"] == QUESTION and set(approval["choices"]) <= {TAKE_OVER, "skip", "fail"},
    )


def said_of(approval: Mapping[str, Any], who: Principal) -> str:
    """What is said after an answer."""
    mine = next((entry for entry in approval["decisions"] if entry["by"] == who.name), None)
    if mine is None:
        return ""
    if approval["state"] == PENDING:
        given = sum(entry["decision"] == APPROVE for entry in approval["decisions"])
        return f"Your approval counts: {given} of {approval['required']}. {approval['question']}"
    return f"You have {PAST.get(mine['decision'], mine['decision'])}: {approval['question']}"


def settled_words(approval: Mapping[str, Any], state: str) -> str:
    """`approved by pat and rob`, and the like."""
    by = " and ".join(entry["by"] for entry in approval["decisions"]) if state not in (EXPIRED, WITHDRAWN) else ""
    return f"{PAST.get(state, state)}{f' by {by}' if by else ''}"


def too_late_words(approval: Mapping[str, Any], state: str, who: Principal) -> str:
    """Why an answer of theirs is not taken any more; empty: it is open."""
    if state == PENDING:
        return ""
    if state in (EXPIRED, WITHDRAWN):
        return f"Your answer was not taken: {'its time had run out' if state == EXPIRED else 'nobody waits for it any more'}."
    is_own = any(entry["by"] == who.name for entry in approval["decisions"])
    return "You had answered already, and that answer counts." if is_own else "Your answer was not taken: somebody was faster."


def _state(approval: Mapping[str, Any], *, withdrawn: bool, now: datetime) -> str:
    if approval["state"] != PENDING:
        return str(approval["state"])
    until = approval.get("expires_at")
    return WITHDRAWN if withdrawn else EXPIRED if until and now >= until else PENDING


def _why_not(approval: Mapping[str, Any], who: Principal) -> str:
    if not who.may_answer(approval["approvers"]):
        whom = ", ".join(approval["approvers"]) or "every approver"
        return f"This is a question to {whom}, with the role approver. You are {who.name}: you can look, not answer."
    if any(entry["by"] == who.name for entry in approval["decisions"]):
        return f"You have answered. {approval['required']} different people must; others are asked now."
    return ""


def _command(approval: Mapping[str, Any], who: Principal) -> str:
    """How an admin opens the dashboard as somebody of the first group that is asked; empty: that is not what is missing."""
    is_asked = who.may_answer(approval["approvers"])
    # The name comes from notes, and the command is there to be copied into a shell.
    return f"taskgrove open --as NAME --group {quote(approval['approvers'][0])}" if ADMIN in who.roles and not is_asked else ""


def _style(choice: str) -> str:
    return "primary" if choice in PRIMARY else "danger" if choice in DANGER else ""
