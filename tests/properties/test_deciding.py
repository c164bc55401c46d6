"""One question to people, on the real store's twin: however they answer, at once or late, twice or unasked, it is decided once."""

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.approvals.domain.deciding import APPROVE, PENDING, decide
from services.approvals.domain.principals import Principal
from services.approvals.store.approvals import Approvals
from shared.clock import ServerClock
from shared.contracts.sequencer import ApprovalRequested
from shared.contracts.views import DecisionRequest
from shared.errors import BadInput, Conflict, Forbidden
from shared.memory.store import MemoryDatabase
from tests.unit.sequencer.tasks import RUN

QUESTION = f"{RUN}.1:before:0"
PEOPLE = [
    Principal("ann", frozenset({"approver"}), frozenset({"release"})),
    Principal("bob", frozenset({"approver"}), frozenset({"release"})),
    Principal("cid", frozenset({"approver"}), frozenset()),
    Principal("dan", frozenset({"submitter"}), frozenset({"release"})),
    Principal("eve", frozenset({"admin"}), frozenset({"release"})),
]
ASKED = {"ann", "bob", "eve"}


class Deciding(RuleBasedStateMachine):
    """People, some of whom still look at the question as it was a while ago."""

    @initialize(required=st.integers(1, 3))
    def is_asked(self, required: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ServerClock()
        self.approvals = Approvals(MemoryDatabase(self.clock), self.clock)
        self.event = ApprovalRequested(
            run_id=RUN, task_id=f"{RUN}.1", approval_id=QUESTION, kind="checkpoint", title="Publish", question="May it start?",
            choices=("approve", "reject"), approvers=("release",), required=required, digest="d",
        )  # fmt: skip
        self._do(self.approvals.ask([self.event]))
        self.required = required
        self.seen = [self._now()]
        self.before = self.seen[0]

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def _do(self, what: Any) -> Any:
        return self.loop.run_until_complete(what)

    def _now(self) -> dict[str, Any]:
        found: dict[str, Any] = self._do(self.approvals.get([QUESTION]))[QUESTION]
        return found

    @rule(
        who=st.sampled_from(PEOPLE),
        choice=st.sampled_from(["approve", "reject", "skip"]),
        digest=st.sampled_from([None, "d", "e"]),
        age=st.integers(0, 2),
    )
    def somebody_answers(self, who: Principal, choice: str, digest: str | None, age: int) -> None:
        self.before = self._now()
        shown = self.seen[max(0, len(self.seen) - 1 - age)]
        try:
            vote = decide(shown, who, DecisionRequest(approval_id=QUESTION, decision=choice, digest=digest), at=self.clock.now())
        except (BadInput, Conflict, Forbidden):
            assert who.name not in ASKED or choice == "skip" or digest == "e" or shown["state"] != PENDING or self._has_answered(shown, who)
            return
        assert who.name in ASKED
        assert digest != "e"
        if after := self._do(self.approvals.record(shown, vote)):
            assert shown["votes"] == self.before["votes"], "an answer to what was shown before others answered has counted"
            self.seen.append(after)

    @rule()
    def is_asked_again(self) -> None:
        self.before = self._now()
        assert self._do(self.approvals.ask([self.event])) == {QUESTION}

    @rule()
    def nobody_waits_any_more(self) -> None:
        self.before = self._now()
        self._do(self.approvals.withdraw({"_id": QUESTION}))
        self.seen.append(self._now())

    @invariant()
    def what_is_decided_stays_decided(self) -> None:
        now = self._now()
        assert self.before["state"] == PENDING or now == self.before
        assert now["decisions"][: len(self.before["decisions"])] == self.before["decisions"]

    @invariant()
    def each_counts_once_and_enough_of_them_approved(self) -> None:
        now = self._now()
        names = [entry["by"] for entry in now["decisions"]]
        assert len(set(names)) == len(names) == now["votes"]
        approvals = sum(entry["decision"] == APPROVE for entry in now["decisions"])
        assert (now["state"] == APPROVE) == (approvals >= self.required)
        assert now["state"] != "reject" or now["decisions"][-1]["decision"] == "reject"

    @staticmethod
    def _has_answered(shown: dict[str, Any], who: Principal) -> bool:
        return any(entry["by"] == who.name for entry in shown["decisions"])


def test_a_question_is_decided_once() -> None:
    run_state_machine_as_test(Deciding)  # type: ignore[no-untyped-call]
