"""Verdicts, answers, plans and the audit trail: decisions that must be the same for the same facts, in whatever order they came."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from services.approvals.domain.audit import START, Entry, link, verify
from services.checker.domain import of_children, verdict
from services.planner import domain as planning
from services.planner.lint import lint
from services.sequencer.domain.answer import Answer, after_answer
from services.sequencer.domain.decide import Patience, Verdict, after_verdict
from services.sequencer.domain.phases import Move
from services.sequencer.domain.task import Task
from shared.contracts.checker import Evidence
from shared.contracts.phases import TERMINAL, Phase
from shared.contracts.plan import Plan, RunOptions, TaskSpec
from shared.errors import BadInput, LimitExceeded
from shared.ids import child_id
from shared.sequence import sequence
from tests.properties.plans import levels
from tests.unit.sequencer.tasks import RUN, task

NOW = datetime(2026, 5, 1, tzinfo=UTC)
JUDGEMENTS = st.sampled_from(["passed", "failed", "lost", "too_big", "asks", "released", "cancelled"])
STATES = st.sampled_from(["approve", "reject", "retry", "answer", "take_over", "skip", "fail", "expired", "withdrawn"])
ERRORS = st.sampled_from([None, {"code": "check_failed", "message": "no"}, {"code": "no_walls", "message": "no", "permanent": True}])
STORED = sorted(set(Phase) - {Phase.RUNNING, Phase.CHECKING})
TASKS = st.builds(
    task, phase=st.sampled_from(STORED), epoch=st.integers(0, 3), attempts=st.integers(0, 4), losses=st.integers(0, 6),
    children=st.sampled_from([None, 2]), kind=st.sampled_from(["work", "group"]), parent_id=st.sampled_from([None, RUN]),
    on_failure=st.sampled_from(["ask", "fail", "continue"]), dependents=st.integers(0, 2), approved=st.booleans(),
    checkpoint=st.sampled_from([None, {"when": "before"}, {"when": "after"}]), agent=st.sampled_from(["shell", "human"]),
    approval_id=st.sampled_from([None, "q1", "q2"]), asking=st.just({"question": "?"}),
).filter(lambda about: bool(about.children) is not {Phase.READY: True, Phase.INTEGRATING: False}.get(about.phase))  # fmt: skip
Decide = Callable[[Task, Verdict, Patience], Move | None]


def after(move: Move) -> Task:
    """The task as the move leaves it, as far as it decides about what comes next."""
    known = {name: value for name, value in move.how.fields if hasattr(move.task, name)}
    return replace(move.task, **{"phase": move.how.target, "epoch": move.epoch, **known})


def decided_once(about: Task, said: Verdict, decide: Decide) -> None:
    """A verdict about another epoch changes nothing; one that was followed is never followed again."""
    move = decide(about, said, Patience(0, 0))
    assert move is None or about.epoch == said.epoch
    assert move is None or move.epoch >= about.epoch
    assert move is None or decide(after(move), said, Patience(0, 0)) is None


@given(TASKS, st.builds(Verdict, epoch=st.integers(0, 3), judgement=JUDGEMENTS, error=ERRORS, reason=st.sampled_from([None, "why"])))
def test_a_verdict_is_followed_once_and_in_its_own_epoch_only(about: Task, said: Verdict) -> None:
    decided_once(about, said, after_verdict)


@given(TASKS, st.builds(Verdict, epoch=st.integers(0, 3), judgement=JUDGEMENTS, error=ERRORS, reason=st.none()))
def test_what_is_not_over_after_a_verdict_is_looked_at_again(about: Task, said: Verdict) -> None:
    move = after_verdict(about, said, Patience(0, 0))
    assert move is None or (move.how.wait is not None) >= (move.how.target not in TERMINAL)
    assert move is None or not move.how.passes or move.how.target in TERMINAL


ANSWERS = st.builds(
    Answer, approval_id=st.sampled_from(["q1", "q2"]), kind=st.sampled_from(["checkpoint", "escalation", "question", "plan_review"]),
    state=STATES, by=st.just("ann"), comment=st.text(max_size=5), result=st.sampled_from([None, {"summary": "x"}]),
)  # fmt: skip


@given(TASKS, ANSWERS)
def test_an_answer_is_followed_once_and_to_its_own_question_only(about: Task, answer: Answer) -> None:
    assume(about.phase is not Phase.ESCALATED or answer.state != "approve")  # an escalation has no such choice
    move = after_answer(about, answer)
    assert move is None or about.approval_id == answer.approval_id
    assert move is None or after_answer(after(move), answer) is None
    assert move is None or (move.how.wait is not None) >= (move.how.target not in TERMINAL)


EVIDENCE = st.lists(
    st.builds(Evidence, check=st.sampled_from(["command", "file"]), passed=st.booleans(), detail=st.text(max_size=5)), max_size=5
)


def judged_by_all(judge: Callable[..., dict[str, Any]], evidence: Sequence[Evidence], missed: Sequence[str]) -> None:
    """Passed only if everything is, and every child was done."""
    judgement = judge(evidence, failed_children=missed)["judgement"]
    assert judgement == ("passed" if all(item.passed for item in evidence) and not missed else "failed")


@given(EVIDENCE, st.lists(st.text(min_size=1, max_size=5), max_size=3), st.randoms(use_true_random=False))
def test_work_is_passed_by_all_of_its_evidence_in_any_order(evidence: list[Evidence], missed: list[str], dice: Any) -> None:
    judged_by_all(verdict, evidence, missed)
    other = list(evidence)
    dice.shuffle(other)
    assert verdict(other, failed_children=missed)["judgement"] == verdict(evidence, failed_children=missed)["judgement"]


@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from(list(TERMINAL))), max_size=6))
def test_a_parent_is_judged_by_its_children(children: list[tuple[str, Phase]]) -> None:
    evidence, missed = of_children(children)
    undone = [phase for _, phase in children if phase in (Phase.FAILED, Phase.CANCELLED)]
    assert (len(missed), evidence.passed) == (len(undone), not undone)


ENTRIES = st.builds(Entry, who=st.text(max_size=5), what=st.sampled_from(["retry", "cancel"]), subject=st.text(max_size=5))


@given(st.lists(ENTRIES, min_size=2, max_size=6), st.data())
def test_no_entry_of_the_audit_trail_is_changed_swapped_or_taken_out_unseen(entries: list[Entry], data: st.DataObject) -> None:
    chain, prev = [], START
    for seq, entry in enumerate(entries, 1):
        chain.append(link(entry, seq=seq, at=NOW, prev=prev))
        prev = chain[-1]["hash"]
    assert verify(chain) is None
    at = data.draw(st.integers(0, len(chain) - 2))
    changed = [*chain[:at], chain[at] | {"who": chain[at]["who"] + "x"}, *chain[at + 1 :]]
    swapped = [*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]]
    for broken in (changed, swapped, chain[:at] + chain[at + 1 :]):
        assert verify(broken) is not None


def specs_in(tasks: Sequence[TaskSpec]) -> list[TaskSpec]:
    """All tasks, groups and what is in them."""
    return [one for spec in tasks for one in (spec, *specs_in(spec.subtasks))]


def orders(tasks: Sequence[TaskSpec]) -> None:
    """Each level has an order that keeps what waits behind what it waits for."""
    found = sequence(tasks)
    rank = {key: number for number, key in enumerate(found.order)}
    assert sorted(rank) == sorted(spec.key for spec in tasks)
    assert all(rank[before] < rank[later] for before, later in found.edges)
    for spec in tasks:
        orders(spec.subtasks)


def tangled(tasks: tuple[TaskSpec, ...], pairs: Sequence[tuple[int, int]]) -> tuple[TaskSpec, ...]:
    """With further dependencies, which may go round in a circle."""
    wanted = list(tasks)
    for one, other in pairs:
        spec, before = wanted[one % len(wanted)], wanted[other % len(wanted)].key
        wanted[one % len(wanted)] = spec.model_copy(update={"after": tuple(dict.fromkeys((*spec.after, before)))})
    return tuple(wanted)


@given(levels(depth=2), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3))
def test_a_plan_that_is_accepted_has_an_order_and_a_check_for_each_task(tasks: tuple[TaskSpec, ...], pairs: list[tuple[int, int]]) -> None:
    plan = Plan(task_id=RUN, planner="x", tasks=tangled(tasks, pairs))
    findings = lint(plan)
    if not [finding for finding in findings if finding.severity == "error"]:
        orders(plan.tasks)
    else:
        assert {finding.code for finding in findings if finding.severity == "error"} <= {"cycle", "no-agent", "unknown-agent", "bad-inputs"}
    unproven = [spec for spec in specs_in(plan.tasks) if not spec.subtasks and not spec.checks]
    assert len([finding for finding in findings if finding.code == "no-check"]) == len(unproven)


@given(levels(depth=2))
def test_a_plan_taken_apart_has_all_its_tasks_once(tasks: tuple[TaskSpec, ...]) -> None:
    plans = planning.nested(Plan(task_id=RUN, planner="x", tasks=tasks))
    names = [child_id(plan.task_id, plan.version, number) for plan in plans for number in range(1, len(plan.tasks) + 1)]
    assert len(set(names)) == len(names) == len(specs_in(tasks))
    assert {plan.task_id for plan in plans[1:]} <= set(names)


@given(st.dictionaries(st.integers(0, 6).map(str), st.lists(st.integers(0, 6).map(str), max_size=3)))
def test_cycles_are_found_exactly_where_there_is_no_order(after_names: dict[str, list[str]]) -> None:
    graph = {key: tuple(name for name in dict.fromkeys(names) if name in after_names) for key, names in after_names.items()}
    found = planning.cycles(graph)
    try:
        sequence([TaskSpec(key=key, title=key, after=names) for key, names in graph.items()])
    except BadInput:
        assert found
    else:
        assert not found
    assert all(ring[0] == ring[-1] and all(later in graph[one] for one, later in pairwise(ring)) for ring in found)


@given(levels(depth=2), st.integers(1, 8), st.integers(1, 3), st.integers(1, 5))
def test_limits_refuse_exactly_what_is_larger(tasks: tuple[TaskSpec, ...], most: int, depth: int, width: int) -> None:
    def height(level: Sequence[TaskSpec]) -> int:
        return 1 + max((height(spec.subtasks) for spec in level if spec.subtasks), default=0)

    widest = max(len(level) for level in (tasks, *(spec.subtasks for spec in specs_in(tasks))))
    fits = len(specs_in(tasks)) <= most and height(tasks) <= depth and widest <= width
    try:
        options = RunOptions(max_tasks=most, max_depth=depth, max_width=width)
        planning.refuse_if_too_large(Plan(task_id=RUN, planner="x", tasks=tasks), options, depth=0)
    except LimitExceeded:
        assert not fits
    else:
        assert fits
