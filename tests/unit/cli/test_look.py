"""What a look at a run says: whether it moves, waits for people, and when it will end."""

import pytest

from shared.contracts.phases import Phase
from taskgrove.cli.look import Look, longest_chain, remaining
from tests.unit.cli.views import RUN, approval, seen, task


def test_a_run_with_open_questions_waits_only_when_nothing_moves() -> None:
    waiting = task("2", Phase.AWAITING_APPROVAL)
    asked = (approval(),)
    assert seen(task("1"), waiting, approvals=asked).waits_for_people()
    assert not seen(task("1", Phase.RUNNING), waiting, approvals=asked).waits_for_people()
    assert not seen(task("1"), waiting).waits_for_people()
    assert not seen(task("1"), root=Phase.COMPLETED, approvals=asked).waits_for_people()


@pytest.mark.parametrize(("phase", "waits"), [(Phase.READY, True), (Phase.BLOCKED, True), (Phase.RUNNING, False), (Phase.CHECKING, False)])
def test_what_is_paused_waits_for_a_person_once_its_work_is_done(phase: Phase, waits: bool) -> None:
    assert seen(task("1", phase, paused=True)).waits_for_people() is waits


def test_the_root_is_not_counted_among_its_tasks() -> None:
    look = seen(task("1"), task("2", Phase.FAILED), root=Phase.FAILED)
    assert (look.total, look.done) == (2, 2)
    assert look.below() == {Phase.COMPLETED: 1, Phase.FAILED: 1}


def test_the_longest_chain_counts_open_tasks_only() -> None:
    chain = (
        task("1"),
        task("2", Phase.RUNNING, dependencies=[f"{RUN}.1"]),
        task("3", Phase.BLOCKED, dependencies=[f"{RUN}.2"]),
        task("4", Phase.BLOCKED, dependencies=[f"{RUN}.1"]),
    )
    assert longest_chain(chain) == 2
    assert longest_chain(()) == 0


def look_at_chain(usual: float) -> Look:
    done = [task(f"1.{number}", usage={"seconds": usual}) for number in range(8)]
    return seen(*done, task("2", Phase.RUNNING), task("3", Phase.BLOCKED, dependencies=[f"{RUN}.2"]))


def test_the_rest_takes_as_long_as_the_rate_says_but_no_less_than_its_longest_chain() -> None:
    assert remaining(look_at_chain(usual=0.1)) == pytest.approx(2.5)
    assert remaining(look_at_chain(usual=6.0)) == pytest.approx(12.0)


def test_nothing_is_foretold_before_anything_is_done_or_while_people_are_asked() -> None:
    assert remaining(seen(task("1", Phase.RUNNING))) is None
    assert remaining(seen(task("1"), task("2", Phase.AWAITING_APPROVAL), approvals=(approval(),))) is None
