"""What a verdict means for a task."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sequencer.domain.decide import MOST_LOSSES, Patience, Verdict, after_verdict, released
from shared.contracts.phases import Phase
from tests.unit.sequencer.tasks import RUN, task

PATIENCE = Patience(base=1.0, cap=300.0)
CHECK = {"code": "check_failed", "message": "check not passed", "permanent": False}


def phase_after(judgement: str, *, error: dict[str, Any] | None = None, **fields: Any) -> Phase:
    move = after_verdict(task(**fields), Verdict(1, judgement, error), PATIENCE)
    assert move
    return move.how.target


def test_passed_completes_and_lets_dependents_go() -> None:
    move = after_verdict(task(dependents=2), Verdict(1, "passed", None), PATIENCE)
    assert move
    assert (move.how.target, move.how.passes, move.how.wait) == (Phase.COMPLETED, True, 10.0)


def test_without_dependents_a_completed_task_waits_for_nothing() -> None:
    move = after_verdict(task(), Verdict(1, "passed", None), PATIENCE)
    assert move
    assert move.how.wait is None


def test_a_checkpoint_after_asks_once() -> None:
    checkpoint = {"when": "after", "required": 1}
    assert phase_after("passed", checkpoint=checkpoint) is Phase.AWAITING_APPROVAL
    assert phase_after("passed", checkpoint=checkpoint, approved=True) is Phase.COMPLETED


@pytest.mark.parametrize(("epoch", "phase"), [(2, Phase.READY), (1, Phase.COMPLETED), (1, Phase.CANCELLED), (1, Phase.RETRYING)])
def test_a_verdict_about_another_epoch_or_too_late_changes_nothing(epoch: int, phase: Phase) -> None:
    assert after_verdict(task(phase, epoch=epoch), Verdict(1, "passed", None), PATIENCE) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"attempts": 1}, Phase.RETRYING),
        ({"attempts": 3}, Phase.REPLANNING),
        ({"attempts": 3, "parent_id": None}, Phase.ESCALATED),
        ({"attempts": 3, "on_failure": "fail"}, Phase.FAILED),
        ({"attempts": 3, "on_failure": "continue"}, Phase.FAILED),
    ],
)
def test_a_failure_climbs_the_ladder(fields: dict[str, Any], expected: Phase) -> None:
    assert phase_after("failed", error=CHECK, **fields) is expected


def test_only_continue_lets_dependents_go_without_it() -> None:
    for on_failure, passes in (("fail", False), ("continue", True)):
        move = after_verdict(task(attempts=3, on_failure=on_failure), Verdict(1, "failed", CHECK), PATIENCE)
        assert move
        assert move.how.passes is passes


def test_what_cannot_help_is_not_tried_again() -> None:
    assert phase_after("failed", error=CHECK | {"permanent": True}, attempts=1) is Phase.REPLANNING


def test_a_parent_whose_children_failed_does_not_climb() -> None:
    error = {"code": "children_failed", "message": "not done below it: a", "permanent": True}
    move = after_verdict(task(Phase.INTEGRATING, children=2), Verdict(1, "failed", error), PATIENCE)
    assert move
    assert move.how.target is Phase.FAILED


def test_too_big_asks_and_released() -> None:
    assert phase_after("too_big") is Phase.EXPANDING
    assert phase_after("too_big", phase=Phase.INTEGRATING, children=2) is Phase.RETRYING
    assert phase_after("asks") is Phase.AWAITING_APPROVAL
    move = after_verdict(task(attempts=2), Verdict(1, "released", None), PATIENCE)
    assert move
    assert (move.how.target, move.how.field("attempts"), move.epoch) == (Phase.READY, 2, 2)


def test_a_try_that_is_lost_does_not_count_until_it_happens_too_often() -> None:
    lost = {"code": "lost", "message": "its executor stopped answering", "permanent": False}
    move = after_verdict(task(attempts=3, max_attempts=3), Verdict(1, "lost", lost), PATIENCE)
    assert move
    assert (move.how.target, move.how.field("attempts"), move.how.field("losses")) == (Phase.READY, 3, 1)
    assert phase_after("lost", error=lost, attempts=3, losses=MOST_LOSSES) is Phase.REPLANNING


def test_what_is_released_asks_first_then_is_planned_or_tried() -> None:
    before = {"when": "before", "required": 2, "approvers": ["release"]}
    asked = released(task(Phase.BLOCKED, checkpoint=before))
    assert asked.target is Phase.AWAITING_APPROVAL
    assert asked.field("asking")["required"] == 2
    assert released(task(Phase.BLOCKED, checkpoint=before, approved=True)).target is Phase.READY
    assert released(task(Phase.BLOCKED, kind="group")).field("plan_reason") == "expand"
    assert released(task(Phase.BLOCKED, kind="group", parent_id=None, _id=RUN)).field("plan_reason") == "submitted"
    assert released(task(Phase.BLOCKED, kind="group", children=3)).target is Phase.EXPANDED


@given(attempts=st.integers(1, 200), epoch=st.integers(0, 1_000), base=st.floats(0, 100), cap=st.floats(0, 1_000))
def test_the_wait_before_a_retry_is_bounded_and_always_the_same(attempts: int, epoch: int, base: float, cap: float) -> None:
    patience, tried = Patience(base, cap), task(attempts=attempts, epoch=epoch)
    wait = patience.before_retry(tried)
    assert 0 <= wait <= min(cap, base * 2.0 ** min(attempts - 1, 30))
    assert wait == patience.before_retry(tried)


def test_the_jitter_spreads() -> None:
    waits = [Patience(1.0, 60.0).before_retry(task(_id=f"{RUN}.{number}", attempts=1)) for number in range(1_000)]
    assert 0.4 < sum(waits) / len(waits) < 0.6
    assert len(set(waits)) > 990


@given(st.sampled_from(["passed", "failed", "lost", "too_big", "asks", "released"]), st.sampled_from([Phase.READY, Phase.INTEGRATING]))
def test_the_same_verdict_twice_is_the_same_decision(judgement: str, phase: Phase) -> None:
    about = task(phase, children=2 if phase is Phase.INTEGRATING else None)
    assert after_verdict(about, Verdict(1, judgement, CHECK), PATIENCE) == after_verdict(about, Verdict(1, judgement, CHECK), PATIENCE)


def test_what_was_given_up_but_is_still_waited_for_is_tried_again() -> None:
    move = after_verdict(task(attempts=2), Verdict(1, "cancelled", None), PATIENCE)
    assert move
    assert (move.how.target, move.how.field("attempts"), move.epoch) == (Phase.READY, 2, 2)
    assert after_verdict(task(Phase.CANCELLED), Verdict(1, "cancelled", None), PATIENCE) is None


def test_what_nobody_could_judge_goes_to_a_person_and_is_neither_tried_nor_planned_again() -> None:
    error = {"code": "not_judged", "message": "the judge is away", "permanent": True}
    move = after_verdict(task(attempts=1), Verdict(1, "failed", error), PATIENCE)
    assert move
    assert move.how.target is Phase.ESCALATED
    assert move.how.field("asking")["question"] == "'Unit tests' was not judged: the judge is away"
    assert phase_after("failed", error=error, on_failure="continue") is Phase.FAILED


def test_what_may_not_be_run_here_goes_to_a_person_and_is_neither_tried_nor_planned_again() -> None:
    error = {"code": "no_walls", "message": "a model decided it", "permanent": True}
    move = after_verdict(task(attempts=1), Verdict(1, "failed", error), PATIENCE)
    assert move
    assert (move.how.target, move.how.field("asking")["question"]) == (Phase.ESCALATED, "'Unit tests' was not run: a model decided it")
