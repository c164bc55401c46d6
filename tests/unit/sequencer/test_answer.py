"""What people's answers, and plans that could not be made, mean for a task."""

from typing import Any

import pytest

from services.sequencer.domain.answer import Answer, after_answer, after_plan_failed
from services.sequencer.domain.ask import asking_question
from services.sequencer.domain.decide import Patience, Verdict, after_verdict
from shared.contracts.phases import Phase
from tests.unit.sequencer.tasks import RUN, task

QUESTION = f"{RUN}.1:escalation:1"
WAITS = {"approval_id": QUESTION, "error": {"code": "check_failed", "message": "no"}}


def answer(state: str, *, kind: str = "escalation", result: dict[str, Any] | None = None) -> Answer:
    return Answer(QUESTION, kind, state, by="ann", comment="because", result=result)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("retry", Phase.READY), ("take_over", Phase.READY), ("skip", Phase.SKIPPED), ("fail", Phase.FAILED), ("expired", Phase.FAILED)],
)
def test_an_escalated_task_goes_where_the_person_says(state: str, expected: Phase) -> None:
    move = after_answer(task(Phase.ESCALATED, **WAITS), answer(state, result={"summary": "by hand"}))
    assert move
    assert move.how.target is expected
    assert move.how.field("approval_id") is None


def test_taking_over_hands_the_result_to_the_checker() -> None:
    move = after_answer(task(Phase.ESCALATED, **WAITS), answer("take_over", result={"summary": "by hand"}))
    assert move
    assert move.how.field("agent") == "human"
    assert move.how.field("inputs")["submitted"] == {"summary": "by hand", "by": "ann"}
    assert move.epoch == 2


def test_a_retry_starts_to_count_anew() -> None:
    move = after_answer(task(Phase.ESCALATED, attempts=3, **WAITS), answer("retry"))
    assert move
    assert (move.how.field("attempts"), move.how.field("error")) == (1, None)


def test_what_was_handed_in_and_refused_is_not_tried_again_but_done_by_its_own_agent_in_its_turn() -> None:
    own = {"agent": "shell", "inputs": {"script": "true"}}
    refused = Verdict(1, "failed", {"code": "check_failed", "message": "no", "permanent": False})
    handed_in = task(Phase.READY, agent="human", own=own)
    asked = after_verdict(handed_in, refused, Patience(1, 1))
    assert asked
    assert asked.how.target is Phase.ESCALATED
    again = after_answer(task(Phase.ESCALATED, agent="human", own=own, **WAITS), answer("retry"))
    assert again
    assert (again.how.target, again.epoch) == (Phase.BLOCKED, 2)
    assert [again.how.field(name) for name in ("agent", "inputs", "own", "attempts")] == ["shell", {"script": "true"}, None, 0]


def test_skipping_lets_dependents_go_and_names_who_said_so() -> None:
    move = after_answer(task(Phase.ESCALATED, dependents=1, **WAITS), answer("skip"))
    assert move
    assert move.how.passes
    assert move.how.field("error")["message"] == "skipped by ann: because"


def test_checkpoints() -> None:
    waiting = {"approval_id": QUESTION, "checkpoint": {"when": "before"}}
    approved = after_answer(task(Phase.AWAITING_APPROVAL, **waiting), answer("approve", kind="checkpoint"))
    rejected = after_answer(task(Phase.AWAITING_APPROVAL, **waiting), answer("reject", kind="checkpoint"))
    assert approved
    assert rejected
    assert (approved.how.target, approved.how.field("approved")) == (Phase.READY, True)
    assert (rejected.how.target, rejected.how.field("error")["code"]) == (Phase.FAILED, "rejected")


def test_an_answer_to_another_question_or_too_late_changes_nothing() -> None:
    assert after_answer(task(Phase.ESCALATED, approval_id="another"), answer("retry")) is None
    assert after_answer(task(Phase.COMPLETED, **WAITS), answer("retry")) is None


def test_a_run_without_a_plan_has_failed_and_can_be_planned_again() -> None:
    move = after_plan_failed(task(Phase.EXPANDING, parent_id=None, plan_version=0), "notes.md:3: no")
    assert move
    assert (move.how.target, move.how.field("plan_version")) == (Phase.FAILED, 1)


def test_without_another_plan_a_person_is_asked_with_the_first_reason() -> None:
    move = after_plan_failed(task(Phase.REPLANNING, **WAITS), "a planner without a model has one plan only")
    assert move
    assert move.how.target is Phase.ESCALATED
    assert move.how.field("error")["message"] == "no"
    assert after_plan_failed(task(Phase.EXPANDED), "too late") is None


def test_the_next_question_is_another_one() -> None:
    """A group is planned anew under a new epoch; a question that was withdrawn while the task waits is asked under another id."""
    group = task(Phase.ESCALATED, kind="group", **WAITS)
    retried = after_answer(group, answer("retry"))
    assert retried
    assert (retried.how.target, retried.how.dispatch, retried.epoch) == (Phase.EXPANDING, False, 2)
    asked = {"kind": "question", "question": "which?"}
    again = after_answer(task(Phase.AWAITING_APPROVAL, approval_id=QUESTION, asking=asked), answer("withdrawn"))
    assert again
    assert (again.how.target, again.epoch) == (Phase.AWAITING_APPROVAL, 1)
    assert (again.how.field("asking"), again.how.field("approval_id")) == (asked, f"{QUESTION}:again")


@pytest.mark.parametrize(
    ("fields", "version"),
    [({"kind": "work"}, 2), ({"kind": "group"}, None), ({"kind": "group", "phase": Phase.REPLANNING}, 2)],
)
def test_who_tries_again_asks_for_another_plan_but_for_the_only_one_of_a_nested_group(fields: dict[str, Any], version: int | None) -> None:
    move = after_plan_failed(task(**({"phase": Phase.EXPANDING, "plan_version": 1} | fields)), "no")
    assert move
    assert (move.how.target, move.how.field("plan_version")) == (Phase.ESCALATED, version)


def test_an_answer_reaches_the_agent_and_its_question_was_no_try() -> None:
    told = {"question": "Blue?", "answer": "no", "by": "bob"}
    waits = {"approval_id": QUESTION, "asking": {"question": "Red?"}, "answers": [told], "attempts": 2}
    given = Answer(QUESTION, "question", "answer", by="ann", comment="yes", result={"summary": "", "data": {"shade": 3}})
    move = after_answer(task(Phase.AWAITING_APPROVAL, agent="model", **waits), given)
    assert move
    assert (move.how.target, move.epoch, move.how.field("attempts")) == (Phase.READY, 2, 2)
    assert list(move.how.field("answers")) == [told, {"question": "Red?", "answer": 'yes\n{"shade": 3}', "by": "ann"}]
    assert (move.how.field("agent"), move.how.field("asking")) == (None, None)
    assert hash(move.how)


@pytest.mark.parametrize(("agent", "offered"), [("model", True), ("python", True), ("human", False)])
def test_an_agent_may_be_answered_and_a_person_is_the_answer(agent: str, offered: bool) -> None:
    assert ("answer" in asking_question(task(agent=agent), "Which?")["choices"]) is offered
