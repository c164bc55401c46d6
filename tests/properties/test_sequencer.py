"""A run under any plan, any verdicts, answers and orders, each heard once or again: what must hold after every step, and that it ends."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from services.sequencer.store import TaskStore
from shared.contracts.phases import TERMINAL, Action, Phase, legal_actions
from shared.contracts.plan import TaskSpec
from tests.properties.course import ASKING, DISPATCHED, PLANNING, Course
from tests.properties.plans import levels

MOST_ROUNDS = 400
GOOD = (Phase.COMPLETED, Phase.SKIPPED)
WORKING = (*DISPATCHED, *ASKING, *PLANNING, Phase.RETRYING)
JUDGEMENTS = st.sampled_from(["passed", "passed", "passed", "failed", "failed", "lost", "released", "asks", "too_big"])
CHOICES = st.sampled_from(["approve", "reject", "retry", "skip", "fail", "take_over", "answer"])
ORDERS = (Action.CANCEL, Action.PAUSE, Action.RESUME, Action.COMPLETE)
REOPENING = (Action.RETRY, Action.RERUN)


class Run(RuleBasedStateMachine):
    """Everybody around the sequencer does anything that they may do, in any order."""

    store: type[TaskStore] = TaskStore
    course: Course

    @initialize(specs=levels())
    def begins(self, specs: tuple[TaskSpec, ...]) -> None:
        self.before: dict[str, Any] = {}
        self.course = Course(*specs, store=self.store)
        self.reopened, self.taken_over = False, ""

    def teardown(self) -> None:
        if hasattr(self, "course"):
            try:
                self._ends()
            finally:
                self.course.close()

    def _some(self, data: st.DataObject, *phases: Phase) -> Any:
        return data.draw(st.sampled_from(self.course.in_phase(*phases)))

    def _next(self) -> None:
        self.before, self.reopened, self.taken_over = self.course.docs, False, ""

    @precondition(lambda self: self.course.in_phase(*DISPATCHED))
    @rule(data=st.data(), judgement=JUDGEMENTS)
    def is_judged(self, data: st.DataObject, judgement: str) -> None:
        self._next()
        self.course.hear(self.course.verdict(self._some(data, *DISPATCHED), judgement))

    @precondition(lambda self: self.course.in_phase(*ASKING))
    @rule(data=st.data(), choice=CHOICES)
    def is_answered(self, data: st.DataObject, choice: str) -> None:
        self._next()
        task = self._some(data, *ASKING)
        # Who took over a task before its turn and asks for another try gives it back to its place.
        self.reopened = "retry" in (choice, task["asking"]["choices"][0]) and "retry" in task["asking"]["choices"]
        self.course.hear(self.course.decision(task, choice))

    @precondition(lambda self: self.course.in_phase(*PLANNING))
    @rule(data=st.data(), size=st.integers(0, 2))
    def is_planned(self, data: st.DataObject, size: int) -> None:
        self._next()
        self.course.hear(self.course.proposal(self._some(data, *PLANNING), size=size))

    @rule(data=st.data(), action=st.sampled_from(ORDERS))
    def is_ordered(self, data: st.DataObject, action: Action) -> None:
        self._next()
        self._order(data, action)

    @rule(data=st.data(), action=st.sampled_from(REOPENING))
    def is_reopened(self, data: st.DataObject, action: Action) -> None:
        self._next()
        self.reopened = self._order(data, action)

    def _order(self, data: st.DataObject, action: Action) -> bool:
        able = [doc for doc in self.course.docs.values() if action in legal_actions(Phase(doc["phase"]), paused=doc["paused"])]
        if able:
            task = data.draw(st.sampled_from(able))
            self.taken_over = task["_id"] if action is Action.COMPLETE else ""
            self.course.hear(self.course.order(task, action))
        return bool(able)

    @rule(data=st.data())
    def is_heard_again(self, data: st.DataObject) -> None:
        """Whatever was said once, however long ago."""
        self._next()
        before = _standing(self.course.docs)
        self.course.hear(data.draw(st.sampled_from(self.course.spoken)))
        assert _standing(self.course.docs) == before, "hearing it again has changed something"

    @rule()
    def is_swept(self) -> None:
        self._next()
        self.course.sweep()

    @invariant()
    def nobody_begins_before_what_they_wait_for_is_done(self) -> None:
        for doc in self._changed(Phase.BLOCKED):
            if doc["phase"] != Phase.CANCELLED and doc["_id"] != self.taken_over:
                in_the_way = [name for name in doc.get("dependencies", ()) if not self.course.docs[name]["passes"]]
                assert not in_the_way, f"{doc['_id']} went to {doc['phase']} before {in_the_way}"

    @invariant()
    def who_waits_for_nothing_is_not_left_blocked(self) -> None:
        for doc in self.course.in_phase(Phase.BLOCKED):
            in_the_way = [name for name in doc.get("dependencies", ()) if not self.course.docs[name]["passes"]]
            assert in_the_way or doc["paused"] or not self._has_begun(doc), f"{doc['_id']} waits for nothing and does not begin"

    def _has_begun(self, doc: dict[str, Any]) -> bool:
        """Whether all above it have begun: below a group that is blocked again, all are."""
        parent = self.course.docs[doc["parent_id"]] if doc["parent_id"] else None
        return parent is None or parent["phase"] == Phase.EXPANDED

    @invariant()
    def epochs_and_versions_never_fall(self) -> None:
        for name, old in self.before.items():
            new = self.course.docs[name]
            assert (new["epoch"], new["version"]) >= (old["epoch"], old["version"])

    @invariant()
    def only_an_order_leads_back(self) -> None:
        for name, old in self.before.items():
            new = self.course.docs[name]
            if not self.reopened:
                assert old["phase"] not in TERMINAL or new["phase"] == old["phase"], f"{name} left {old['phase']} for {new['phase']}"
                assert new["phase"] != Phase.BLOCKED or old["phase"] == Phase.BLOCKED, f"{name} is blocked again"

    @invariant()
    def what_is_marked_is_true(self) -> None:
        for doc in self.course.docs.values():
            assert doc["open"] == (doc["phase"] not in TERMINAL)
            passing = doc["phase"] in GOOD or (doc["phase"] == Phase.FAILED and doc["on_failure"] == "continue")
            assert doc["passes"] == passing, f"{doc['_id']} is {doc['phase']}"

    @invariant()
    def what_is_under_way_is_looked_at_again(self) -> None:
        lost = [doc["_id"] for doc in self.course.docs.values() if doc["open"] and doc["phase"] != Phase.BLOCKED and "due_at" not in doc]
        assert lost == []

    @invariant()
    def nothing_lives_below_what_is_over(self) -> None:
        docs = self.course.docs
        alive = [doc["_id"] for doc in docs.values() if doc["open"] and doc["parent_id"] and not docs[doc["parent_id"]]["open"]]
        assert alive == []

    @invariant()
    def as_long_as_it_lives_somebody_can_do_something(self) -> None:
        live = [doc for doc in self.course.docs.values() if doc["open"]]
        able = (doc["phase"] in WORKING or doc["paused"] or self._is_next_for_the_sweep(doc) for doc in live)
        assert not live or any(able), "everything waits for everything"

    def _is_next_for_the_sweep(self, doc: dict[str, Any]) -> bool:
        """A parent whose children ended while it was paused: who resumes it leaves it to the sweep, due at once."""
        return bool(doc["phase"] == Phase.EXPANDED and doc["due_at"] <= self.course.deps.tasks.clock.now())

    def _changed(self, source: Phase) -> list[dict[str, Any]]:
        """The tasks that left this phase in the last step."""
        if self.reopened:
            return []
        left = [name for name, old in self.before.items() if old["phase"] == source]
        return [self.course.docs[name] for name in left if self.course.docs[name]["phase"] != source]

    def _ends(self) -> None:
        """From wherever it stands the run comes to its end, if everybody does their part."""
        course = self.course
        for number in range(MOST_ROUNDS):
            if course.over:
                break
            for doc in [one for one in course.docs.values() if one["paused"] and one["open"]]:
                course.hear(course.order(doc, Action.RESUME))
            for doc in course.in_phase(*PLANNING):
                course.hear(course.proposal(doc, size=1))
            for doc in course.in_phase(*ASKING):
                course.hear(course.decision(doc, "approve" if doc["phase"] == Phase.AWAITING_APPROVAL else "fail"))
            for doc in course.in_phase(*DISPATCHED):
                course.hear(course.verdict(doc, "passed"))
            if number % 2:
                course.sweep()
        assert course.over, {name: doc["phase"] for name, doc in course.docs.items() if doc["open"]}
        assert [name for name, doc in course.docs.items() if doc["open"]] == []


def _standing(docs: dict[str, Any]) -> dict[str, Any]:
    """Where everything stands, without when it is looked at again."""
    own = ("phase", "epoch", "attempts", "passes", "open", "paused", "error", "children", "plan_version", "approval_id")
    return {name: {field: doc.get(field) for field in own} for name, doc in docs.items()}


def test_any_run_keeps_its_promises_and_ends() -> None:
    run_state_machine_as_test(Run)  # type: ignore[no-untyped-call]
