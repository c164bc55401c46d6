"""Tasks that come back to life while others go on, while replicas race and die: whatever counts at the end came of what counts."""

import pytest

from services.sequencer.domain.again import is_begun, joined_again, next_moves, of_rerun, of_retry, reset
from shared.contracts.phases import Phase
from shared.downstream import Downstream
from tests.unit.sequencer.restless import World
from tests.unit.sequencer.tasks import RUN, task

FOUND = (44, 1581)
"""Seeds that showed mistakes: parents went on before their plan was adopted; below a group that waits others went on."""


@pytest.mark.parametrize("seed", [*range(12), *FOUND])
async def test_any_orders_at_any_time(seed: int) -> None:
    world = World(seed)
    await world.live()
    assert await world.mistakes() == []


def outline(name: str, *after: str, phase: Phase = Phase.COMPLETED, passes: bool = True, **fields: object) -> dict[str, object]:
    identifier = f"{RUN}{name}"
    parent = identifier.rpartition(".")[0] or None
    return {
        "_id": identifier,
        "parent_id": parent,
        "dependencies": [RUN + one for one in after],
        "phase": phase,
        "passes": passes,
        **fields,
    }


def names(what: Downstream) -> tuple[set[str], set[str]]:
    again, around = what.again, what.around
    return {name.removeprefix(RUN) for name in again}, {name.removeprefix(RUN) for name in around}


class TestWhatIsReopened:
    """a ← b; g (with x ← y) waits for b, w is fed by all; later waits for g; c stands alone."""

    def run(self, **changed: dict[str, object]) -> dict[str, dict[str, object]]:
        docs = [
            outline(""), outline(".1", feeds=[f"{RUN}.6"]), outline(".2", ".1"), outline(".3", ".2"), outline(".3.1"),
            outline(".3.2", ".3.1"), outline(".4", ".3"), outline(".5"), outline(".6", wide=True),
        ]  # fmt: skip
        return {str(doc["_id"]): doc | changed.get(f"t{str(doc['_id']).removeprefix(RUN).replace('.', '_')}", {}) for doc in docs}

    def test_a_rerun_takes_along_all_that_comes_after(self) -> None:
        assert names(of_rerun(self.run(), f"{RUN}.1")) == ({".1", ".2", ".3", ".3.1", ".3.2", ".4", ".6"}, {""})
        assert names(of_rerun(self.run(), f"{RUN}.3.1")) == ({".3.1", ".3.2", ".4"}, {"", ".3"})
        assert names(of_rerun(self.run(), f"{RUN}.5")) == ({".5"}, {""})
        assert names(of_rerun(self.run(), RUN))[1] == set()

    def test_a_retry_takes_along_what_ended_because_of_it(self) -> None:
        hopeless = {"phase": Phase.CANCELLED, "passes": False, "error": {"code": "dependency_failed"}}
        failed = {"phase": Phase.FAILED, "passes": False}
        run = self.run(t_2=failed, t_3={**hopeless}, t_3_1={**hopeless, "error": {"code": "cancelled"}}, t_4=hopeless, t=failed)
        assert names(of_retry(run, f"{RUN}.2", "o")) == ({".2", ".3", ".3.1", ".4"}, {""})

    def test_a_retry_takes_along_what_went_on_without_it(self) -> None:
        run = self.run(t_1={"phase": Phase.FAILED, "passes": True})
        assert names(of_retry(run, f"{RUN}.1", "o")) == ({".1", ".2", ".3", ".3.1", ".3.2", ".4", ".6"}, {""})

    def test_what_a_person_cancelled_stays_so_unless_it_is_what_is_retried(self) -> None:
        cancelled = {"phase": Phase.CANCELLED, "passes": False, "error": {"code": "cancelled"}}
        assert names(of_retry(self.run(t_1=cancelled, t_2=cancelled), f"{RUN}.1", "o"))[0] == {".1"}


class TestMoves:
    ORDER = "0001"

    def test_each_task_is_marked_twice_and_then_left_alone(self) -> None:
        what = Downstream(frozenset({f"{RUN}.1"}), frozenset())
        first = next_moves({f"{RUN}.1": task(Phase.COMPLETED, passes=True)}, what, self.ORDER, paused=False)
        assert [[move.how.field("reruns") for move in moves] for moves in first] == [[("0001+",)]]
        second = next_moves({f"{RUN}.1": task(Phase.BLOCKED, reruns=["0001+"])}, what, self.ORDER, paused=False)
        assert [[move.how.field("reruns") for move in moves] for moves in second] == [[("0001",)]]
        assert next_moves({f"{RUN}.1": task(Phase.BLOCKED, reruns=["0001"])}, what, self.ORDER, paused=False) == []
        assert not is_begun(["00011", "1"], self.ORDER)

    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.RUNNING, Phase.CHECKING)])
    def test_done_again_it_begins_anew(self, phase: Phase) -> None:
        before = task(phase, attempts=3, losses=2, approved=True, approval_id="q", error={"code": "x", "message": "y"}, epoch=7)
        how = reset(before, self.ORDER, paused=False).how
        assert (how.target, how.renew, how.passes) == (Phase.BLOCKED, True, False)
        assert [how.field(name) for name in ("attempts", "losses", "approved", "approval_id", "error")] == [0, 0, False, None, None]

    def test_a_plan_that_is_being_made_is_not_wanted_any_more(self) -> None:
        broken_down = reset(task(Phase.EXPANDING, plan_version=1), self.ORDER, paused=False).how
        assert (broken_down.field("plan_version"), broken_down.field("dropped")) == (2, (2,))
        assert reset(task(Phase.EXPANDING, kind="group"), self.ORDER, paused=False).how.field("plan_version") is None

    def test_its_own_agent_does_it_again(self) -> None:
        own = {"agent": "shell", "inputs": {"script": "true"}}
        how = reset(task(Phase.COMPLETED, agent="human", own=own), self.ORDER, paused=False).how
        assert [how.field(name) for name in ("agent", "inputs", "own")] == ["shell", {"script": "true"}, None]
        assert hash(how)

    def test_models_are_asked_anew_for_what_was_ordered_and_below_it_only(self) -> None:
        below, after = f"{RUN}.1.1", f"{RUN}.2"
        tasks = {name: task(Phase.COMPLETED, _id=name) for name in (f"{RUN}.1", below, after)}
        moves = next_moves(tasks, Downstream(frozenset(tasks), frozenset()), self.ORDER, paused=False, anew=f"{RUN}.1")
        anew = {move.task.task_id: move.how.field("anew") for each in moves for move in each}
        assert anew == {f"{RUN}.1": self.ORDER, below: self.ORDER, after: None}

    def test_a_parent_waits_for_what_is_below_it(self) -> None:
        root = {"_id": RUN, "parent_id": None, "children": 2, "approved": True}
        assert joined_again(task(Phase.COMPLETED, **root), self.ORDER, paused=False).how.target is Phase.EXPANDED
        assert joined_again(task(Phase.INTEGRATING, children=2), self.ORDER, paused=False).how.target is Phase.EXPANDED
        group = joined_again(task(Phase.FAILED, children=2), self.ORDER, paused=False).how
        assert (group.target, group.field("approved")) == (Phase.BLOCKED, None), "it may be that what is around it waits"
        assert joined_again(task(Phase.CANCELLED, kind="group"), self.ORDER, paused=False).how.target is Phase.BLOCKED

    def test_what_belongs_to_something_paused_is_paused(self) -> None:
        assert reset(task(Phase.COMPLETED), self.ORDER, paused=True).how.field("paused") is True
        assert reset(task(Phase.COMPLETED, paused=True), self.ORDER, paused=False).how.field("paused") is False
        assert reset(task(Phase.READY, paused=True), self.ORDER, paused=False).how.field("paused") is None
