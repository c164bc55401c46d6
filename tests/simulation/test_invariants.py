"""No invariant that cannot fail: each is shown a sound world, and then the same one with something wrong in it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from services.approvals.domain.audit import START, Entry, link
from services.sequencer.domain.grow import Soil, grow, root_document
from shared.contracts.phases import Action, Phase
from shared.contracts.plan import TaskSpec
from shared.sequence import sequence
from tests.simulation import invariants
from tests.simulation.effects import Ledger
from tests.simulation.evidence import Evidence
from tests.simulation.records import Accepted, Run
from tests.simulation.watch import LOOKS, Watch

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN, A, B = "r", "r.1", "r.2"
SPECS = (TaskSpec(key="a", title="a", agent="python"), TaskSpec(key="b", title="b", agent="python", after=("a",)))


def over(task: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The task once it is completed."""
    return {**task, "phase": "completed", "open": False, "passes": True, "epoch": 1, "finished_at": NOW, **fields}


def sound() -> Evidence:
    """One run of two tasks, the second after the first, as it is when all went well."""
    watch = Watch(lambda: 1.0)
    ledger = Ledger(watch.next, lambda: 1.0)
    root = root_document(run_id=RUN, title="run", description="", header={}, now=NOW)
    soil = Soil(RUN, RUN, f"{RUN}@1", 1, 1, paused=False, now=NOW)
    tasks = {task["_id"]: over(task) for task in grow(SPECS, sequence(SPECS), soil)}
    tasks[RUN] = over(root, children=2, plan_version=1)
    attempts, verdicts = {}, {}
    for name in (A, B, RUN):
        watch.saw("tasks", None, {**tasks[name], "phase": "ready", "open": True, "passes": False, "due_at": NOW})
        data = {} if name == RUN else {"token": len(ledger.effects) + 1, "saw": {"a": 1} if name == B else {}}
        common = {"_id": f"{name}:1", "task_id": name, "run_id": RUN, "epoch": 1}
        attempts[f"{name}:1"] = {**common, "state": "executed", "agent": "python", "result": {"data": data}, "usage": {"seconds": 1.0}}
        verdicts[f"{name}:1"] = {**common, "state": "done", "judgement": "passed"}
        watch.saw("attempts", None, {**attempts[f"{name}:1"], "state": "running", "due_at": NOW})
        ledger.begin(f"{name}:1")
        if name != RUN:
            ledger.do(task_id=name, key=f"{name}:1", process="executor-1")
        watch.saw("tasks", {**tasks[name], "phase": "ready", "passes": False}, {**tasks[name], "due_at": NOW})
    assert watch.violations == []
    approvals = {"q": {"_id": "q", "task_id": A, "state": "approve", "decisions": [{"by": "ada", "decision": "approve"}]}}
    feed = [{"run_id": RUN, "seq": 1, "event": "task.completed", "data": {"tasks": [RUN, A, B]}}]
    control = {"_id": "c", "kind": "control", "task_id": B, "event": {"action": "pause"}, "state": "said", "due_at": NOW}
    watch.saw("submissions", None, control)
    watch.noted["c"] = watch.next()
    return Evidence(
        sweep="on",
        faults=set(),
        watch=watch,
        effects=ledger,
        accepted=Accepted({"key": {RUN}}, [("q", "ada", "approve")], [(B, Action.PAUSE)]),
        runs=[Run("key", [], {"concurrency": 1}, run_id=RUN)],
        tasks=tasks,
        attempts=attempts,
        verdicts=verdicts,
        approvals=approvals,
        submissions={RUN: {"_id": RUN}},
        sequences={f"{RUN}@1": {}},
        feed=feed,
        audit=[link(Entry("ada", "decide", "q"), seq=1, at=NOW, prev=START)],
        quarantine=[],
    ).related()


def again(seen: Evidence, name: str, before: Phase, after: Phase, *, question: str | None = None, why: str = "") -> None:
    """The watch saw one more change of a task."""
    task = seen.tasks[name] | {"open": before not in (Phase.COMPLETED, Phase.FAILED), "due_at": NOW, "approval_id": question}
    task |= {"error": {"message": why}}
    seen.watch.saw(
        "tasks", {**task, "phase": before, "passes": False}, {**task, "phase": after, "passes": False, "epoch": task["epoch"] + 1}
    )
    seen.related()


def claimed(seen: Evidence, attempt: str, **fields: Any) -> None:
    claim = seen.watch.claims[attempt]
    values = {name: getattr(claim, name) for name in ("order", "at", "parent_open", "paused_for", "outdated_for")}
    seen.watch.claims[attempt] = type(claim)(**(values | fields))


def set_in(docs: Any, key: Any, **fields: Any) -> None:
    docs[key] = {**docs[key], **fields}


DOCTORED: list[tuple[str, str, Callable[[Evidence], object]]] = [
    ("no_wrong_step", "seen at once", lambda s: s.watch.violations.append("something")),
    ("accepted_runs_end", "lost", lambda s: s.accepted.runs.update(other={"gone"})),
    ("accepted_runs_end", "two runs of one key", lambda s: s.accepted.runs["key"].add("r2")),
    ("accepted_runs_end", "not over", lambda s: set_in(s.tasks, B, phase="ready")),
    ("accepted_answers_count", "lost", lambda s: set_in(s.approvals, "q", decisions=[])),
    ("accepted_answers_count", "not audited", lambda s: s.audit.clear()),
    ("accepted_orders_count", "lost", lambda s: s.watch.controls.clear()),
    ("accepted_orders_count", "passed over", lambda s: s.watch.noted.clear()),
    ("orders_act_once", "cancelled", lambda s: again(s, A, Phase.READY, Phase.CANCELLED, why="cancelled by ada")),
    ("orders_act_once", "paused", lambda s: s.watch.held.update([A])),
    ("orders_act_once", "tried again", lambda s: again(s, A, Phase.ESCALATED, Phase.READY)),
    ("one_adopted_result", "no attempt", lambda s: s.attempts.pop(f"{A}:1")),
    ("one_adopted_result", "not passed", lambda s: set_in(s.verdicts, f"{A}:1", judgement="failed")),
    ("one_adopted_result", "of another epoch", lambda s: set_in(s.tasks, A, epoch=2)),
    ("effects_once", "begun twice", lambda s: s.effects.begin(f"{A}:1")),
    ("effects_once", "done twice", lambda s: s.effects.do(task_id=A, key=f"{A}:1", process="executor-2")),
    ("effects_once", "somebody else's", lambda s: s.attempts[f"{A}:1"]["result"]["data"].update(token=2)),
    ("effects_once", "of no task", lambda s: s.effects.done.update(gone=1)),
    ("effects_once", "without a claim", lambda s: s.watch.claims.pop(f"{A}:1")),
    ("never_too_many", "one too many", lambda s: s.effects.crowds.update({RUN: 2})),
    ("dependencies_first", "too early", lambda s: claimed(s, f"{B}:1", order=1)),
    ("dependencies_first", "not done", lambda s: set_in(s.tasks, A, phase="failed", passes=False)),
    ("dependencies_first", "another result", lambda s: s.attempts[f"{B}:1"]["result"]["data"].update(saw={"a": 7})),
    ("never_too_early", "too early", lambda s: claimed(s, f"{B}:1", order=1)),
    ("children_first", "too early", lambda s: claimed(s, f"{RUN}:1", order=1)),
    ("children_first", "a child too few", lambda s: set_in(s.tasks, RUN, children=3)),
    ("children_first", "a child that failed", lambda s: set_in(s.tasks, B, phase="failed")),
    ("nothing_waits", "due", lambda s: set_in(s.tasks, A, due_at=NOW)),
    ("nothing_waits", "running", lambda s: set_in(s.attempts, f"{A}:1", state="running")),
    ("nothing_waits", "asked", lambda s: set_in(s.approvals, "q", state="pending")),
    ("no_orphans", "no parent", lambda s: set_in(s.tasks, A, parent_id="gone")),
    ("no_orphans", "no attempt", lambda s: s.attempts.pop(f"{A}:1")),
    ("no_orphans", "no task", lambda s: set_in(s.approvals, "q", task_id="gone")),
    ("nothing_below_the_dead", "long after", lambda s: (again(s, RUN, Phase.READY, Phase.CANCELLED),
                                                      claimed(s, f"{A}:1", order=99, at=99.0, parent_open=False))),
    ("nothing_begins_while_paused", "long after", lambda s: claimed(s, f"{A}:1", paused_for=9.0)),
    ("nothing_begins_that_is_outdated", "newer epoch", lambda s: claimed(s, f"{A}:1", outdated_for=9.0)),
    ("ended_stay_ended", "nobody ordered it", lambda s: again(s, A, Phase.COMPLETED, Phase.EXPANDED)),
    ("answers_are_obeyed", "another way", lambda s: (s.watch.controls.clear(),
                                                     again(s, A, Phase.AWAITING_APPROVAL, Phase.FAILED, question="q"))),
    ("answers_are_obeyed", "nobody answered", lambda s: (s.watch.controls.clear(),
                                                         again(s, A, Phase.ESCALATED, Phase.READY, question="other"))),
    ("audit_is_whole", "changed", lambda s: s.audit[0].update(who="eve")),
    ("counts_are_sums", "shown as running", lambda s: (set_in(s.tasks, A, phase="ready", open=True),
                                                       set_in(s.attempts, f"{A}:1", state="running"))),
    ("feed_has_no_gaps", "a gap", lambda s: s.feed[0].update(seq=2)),
    ("feed_has_no_gaps", "an end untold", lambda s: s.feed[0].update(data={"tasks": [RUN, A]})),
    ("nothing_is_poison", "no fault", lambda s: s.quarantine.append({"routing_key": "task.ready", "reason": "delivered too often"})),
    ("nothing_is_poison", "a broken handler",
     lambda s: (s.faults.add("crash"), s.quarantine.append({"routing_key": "task.ready", "reason": "its handler failed"}))),
    ("plans_are_carried_out_once", "no sequence", lambda s: s.sequences.clear()),
    ("plans_are_carried_out_once", "another plan", lambda s: set_in(s.tasks, A, plan_id="r@2")),
    ("fair_runs_succeed", "failed", lambda s: set_in(s.tasks, RUN, phase="failed")),
]  # fmt: skip


def test_a_sound_world_violates_nothing() -> None:
    seen = sound()
    assert [f"{look.__name__}: {found}" for look in invariants.INVARIANTS for found in look(seen)] == []


@pytest.mark.parametrize(("name", "wrong", "doctor"), DOCTORED, ids=[f"{name}, {wrong}" for name, wrong, _ in DOCTORED])
def test_what_is_wrong_is_seen(name: str, wrong: str, doctor: Callable[[Evidence], object]) -> None:
    seen = sound()
    doctor(seen)
    look = {one.__name__: one for one in invariants.INVARIANTS}[name]
    assert list(look(seen.related())), wrong


def test_each_invariant_was_shown_something_wrong() -> None:
    assert {look.__name__ for look in invariants.INVARIANTS} == {name for name, _, _ in DOCTORED}


TASK = {"_id": A, "phase": "ready", "open": True, "passes": False, "epoch": 1, "due_at": NOW}
ATTEMPT = {"_id": f"{A}:1", "task_id": A, "state": "running", "due_at": NOW}
QUESTION = {"_id": "q", "state": "pending", "decisions": [{"by": "ada"}]}
CONTROL = {"_id": "c", "kind": "control", "task_id": A, "state": "said", "due_at": NOW}
WRONG_STEPS: list[tuple[str, str, dict[str, Any] | None, dict[str, Any] | None]] = [
    ("tasks", "deleted", TASK, None),
    ("tasks", "open though over", TASK, {**TASK, "phase": "failed", "finished_at": NOW}),
    ("tasks", "nothing due", None, {key: value for key, value in TASK.items() if key != "due_at"}),
    ("tasks", "no end", TASK, {**TASK, "phase": "failed", "open": False}),
    (
        "tasks",
        "dependents untold",
        TASK,
        {"_id": A, "phase": "completed", "open": False, "passes": True, "epoch": 1, "finished_at": NOW, "dependents": 1},
    ),
    ("tasks", "lets others go", None, {**TASK, "passes": True}),
    ("tasks", "epoch falls", TASK, {**TASK, "epoch": 0}),
    ("tasks", "not in the table", TASK, {**TASK, "phase": "expanded"}),
    ("tasks", "ready without a new epoch", {**TASK, "phase": "blocked"}, TASK),
    ("tasks", "out of the end", {**TASK, "phase": "completed", "open": False, "finished_at": NOW}, {**TASK, "epoch": 2}),
    ("attempts", "deleted", ATTEMPT, None),
    ("attempts", "nothing due", None, {"_id": f"{A}:1", "task_id": A, "state": "running"}),
    ("attempts", "written after its end", {**ATTEMPT, "state": "lost"}, {**ATTEMPT, "state": "executed"}),
    ("verdicts", "deleted", {**ATTEMPT, "state": "done"}, None),
    ("verdicts", "written again", {**ATTEMPT, "state": "done"}, {**ATTEMPT, "state": "done"}),
    ("approvals", "deleted", QUESTION, None),
    ("approvals", "settled twice", {**QUESTION, "state": "approve"}, {**QUESTION, "state": "reject"}),
    ("approvals", "an answer lost", QUESTION, {**QUESTION, "decisions": [{"by": "bob"}]}),
    ("submissions", "deleted", CONTROL, None),
    ("submissions", "nothing due", None, {key: value for key, value in CONTROL.items() if key != "due_at"}),
    ("audit", "changed", {"_id": "1"}, {"_id": "1"}),
]


@pytest.mark.parametrize(("collection", "wrong", "before", "after"), WRONG_STEPS, ids=[f"{one[0]}, {one[1]}" for one in WRONG_STEPS])
def test_a_wrong_step_is_seen_at_once(collection: str, wrong: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    watch = Watch(lambda: 0.0)
    watch.saw(collection, before, after)
    assert watch.violations, wrong


def test_each_collection_that_is_watched_was_shown_a_wrong_step() -> None:
    assert set(LOOKS) == {collection for collection, _, _, _ in WRONG_STEPS}
