"""The one table of phases: every phase has a public status, every legal move is told apart from the others."""

import pytest

from services.sequencer.domain.phases import LEGAL, Frozen, How, Move, is_legal
from shared.contracts.phases import STATUS, TERMINAL, Action, Phase, Status, legal_actions
from tests.unit.sequencer.tasks import task

STORED = set(Phase) - {Phase.RUNNING, Phase.CHECKING}


def test_every_phase_has_a_status_and_every_stored_one_a_row() -> None:
    assert set(STATUS) == set(Phase)
    assert set(STATUS.values()) == set(Status)
    assert set(LEGAL) == STORED
    assert {target for targets in LEGAL.values() for target in targets} <= STORED


@pytest.mark.parametrize("source", sorted(STORED))
def test_what_is_not_over_may_be_cancelled_and_what_is_over_may_not(source: Phase) -> None:
    assert is_legal(source, Phase.CANCELLED) == (source not in TERMINAL)


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.SKIPPED])
def test_nothing_leaves_a_good_end(phase: Phase) -> None:
    """Unless a person orders that it is done again."""
    assert not [target for target in Phase if is_legal(phase, target)]
    assert [target for target in Phase if is_legal(phase, target, renews=True)] == [Phase.BLOCKED, Phase.EXPANDED]
    assert legal_actions(phase, paused=False) == [Action.RERUN]


def test_an_illegal_move_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="no move from completed to ready"):
        Move(task(Phase.COMPLETED), How(Phase.READY))


def test_the_epoch_after_a_move() -> None:
    blocked = task(Phase.BLOCKED, epoch=4)
    assert Move(blocked, How(Phase.READY, dispatch=True)).epoch == 5
    assert Move(task(Phase.FAILED, epoch=4), How(Phase.BLOCKED, renew=True)).epoch == 5
    assert Move(blocked, How(Phase.CANCELLED)).epoch == 4


def test_equal_moves_are_written_together() -> None:
    one, other = (How(Phase.RETRYING, wait=1.0, fields=(("error", Frozen({"code": "x"})),)) for _ in range(2))
    assert len({one, other}) == 1


def test_pause_and_resume_exclude_each_other() -> None:
    assert Action.PAUSE in legal_actions(Phase.READY, paused=False)
    assert Action.RESUME in legal_actions(Phase.READY, paused=True)
    assert Action.PAUSE not in legal_actions(Phase.READY, paused=True)
    assert legal_actions(Phase.FAILED, paused=False) == [Action.RETRY, Action.RERUN]


@pytest.mark.parametrize(
    ("kind", "children", "abandons"), [("group", None, True), ("group", 2, True), ("work", 1, True), ("work", None, False)]
)
def test_what_ends_before_it_began_takes_along_what_may_be_below_it(kind: str, children: int | None, abandons: bool) -> None:
    waiting = task(phase=Phase.AWAITING_APPROVAL, kind=kind, children=children, agent="integrate" if kind == "group" else "shell")
    assert Move(waiting, How(Phase.FAILED)).abandons is abandons
