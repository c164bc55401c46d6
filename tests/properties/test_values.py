"""Names, messages, changes and what an attempt leaves: pure functions, whatever they are given."""

from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.approvals.api.bodies import SubmitBody, UpdateBody
from services.executor.domain import CLAIMABLE, claim_from, failed, is_still_wanted
from shared.contracts.approvals import TaskControl, TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.checker import TaskVerified
from shared.contracts.phases import Action, Phase
from shared.contracts.planner import PlanFailed
from shared.contracts.sequencer import ApprovalRequested, TaskReady
from shared.ids import above, attempt_id, child_id, epoch_of, run_of, subtree, task_of
from shared.memory.changes import changed, fresh, prepared
from shared.memory.query import matches, resolved
from shared.memory.values import same, stored
from shared.messaging.codec import Heard, Poison, decode, encode

NOW = datetime(2026, 5, 1, tzinfo=UTC)
STEPS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 30)), max_size=5)
WORDS = st.text(max_size=20)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
NAMES = st.text("abc", min_size=1, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | WORDS
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8)
DOCS = st.dictionaries(NAMES, JSON, max_size=4)


def task_at(steps: list[tuple[int, int]]) -> str:
    """A task so far below its run."""
    task = "run"
    for version, position in steps:
        task = child_id(task, version, position)
    return task


@given(STEPS, STEPS)
def test_two_places_never_share_a_name(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    assert (task_at(one) == task_at(other)) == (one == other)


@given(STEPS, STEPS)
def test_a_subtree_holds_what_is_below_and_nothing_else(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    below, holds = task_at(one), subtree(task_at(other))
    assert (holds["$gt"] < below < holds["$lt"]) == (len(one) > len(other) and one[: len(other)] == other)


@given(STEPS, st.integers(0, 10**9))
def test_an_attempt_leads_back_to_its_task_its_run_and_all_around_it(steps: list[tuple[int, int]], epoch: int) -> None:
    task = task_at(steps)
    attempt = attempt_id(task, epoch)
    assert (task_of(attempt), epoch_of(attempt), run_of(task)) == (task, epoch, "run")
    assert above(task) == [task_at(steps[:length]) for length in range(len(steps))]


EVENTS = st.one_of(
    st.builds(TaskReady, run_id=NAMES, attempts=st.lists(WORDS, max_size=4).map(tuple)),
    st.builds(TaskVerified, run_id=NAMES, verdicts=st.lists(WORDS, max_size=4).map(tuple)),
    st.builds(PlanFailed, run_id=NAMES, task_id=WORDS, plan_id=WORDS, reason=st.sampled_from(["expand", "replan"]), error=WORDS),
    st.builds(TaskControl, run_id=NAMES, task_id=WORDS, control_id=WORDS, action=st.sampled_from(Action), by=WORDS, reason=WORDS),
    st.builds(
        ApprovalRequested, run_id=NAMES, task_id=WORDS, approval_id=WORDS, kind=st.just("question"), title=WORDS, question=WORDS,
        choices=st.lists(WORDS, max_size=3).map(tuple), digest=WORDS,
    ),
)  # fmt: skip


@given(st.lists(EVENTS, min_size=1, max_size=5), st.dictionaries(st.text("xyz", min_size=6), st.integers(0, 9) | WORDS, max_size=3))
def test_what_is_said_is_heard_as_it_was_and_fields_of_the_future_go_on(events: list[Event], unknown: dict[str, Any]) -> None:
    alike = [event for event in events if type(event) is type(events[0])]
    message = encode(alike, service="tests")
    envelopes = orjson.loads(message.body)
    for envelope in envelopes:
        envelope["data"] |= unknown
    heard = decode(orjson.dumps(envelopes), {alike[0].type: type(alike[0])})
    assert [part.event.wire() if isinstance(part, Heard) else part for part in heard] == [event.wire() | unknown for event in alike]


OPTIONS = st.fixed_dictionaries(
    {}, optional={"timeScale": st.floats() | st.text("0123456789einf.-", max_size=6), "maxTasks": st.integers()}
)


@given(ANY_TEXT, OPTIONS, DOCS)
def test_what_is_taken_from_a_client_is_heard_as_it_was(text: str, options: dict[str, Any], data: dict[str, Any]) -> None:
    try:
        submitted = SubmitBody.model_validate({"prompt": text, "options": options})
        update = UpdateBody.model_validate({"action": "complete", "reason": text, "result": {"data": data}})
    except ValidationError:
        return
    assert update.result is not None
    result = update.result.wire()
    ordered = TaskControl(run_id="r", task_id="r.1", control_id="c", action=Action.COMPLETE, by="sue", reason=text, result=result)
    for event in (TaskSubmitted(run_id="r", prompt=submitted.prompt, options=submitted.options), ordered):
        (heard,) = decode(encode([event], service="tests").body, {event.type: type(event)})
        assert isinstance(heard, Heard), heard
        assert heard.event.wire() == event.wire()
    assert result["data"] == data


@given(st.lists(EVENTS, min_size=1, max_size=5))
def test_what_is_not_heard_here_is_poison_one_by_one_and_kept_as_it_stood(events: list[Event]) -> None:
    alike = [event for event in events if type(event) is type(events[0])]
    body = encode(alike, service="tests").body
    parts = decode(body, {})
    assert [part.raw if isinstance(part, Poison) else None for part in parts] == orjson.loads(body)


@given(DOCS, st.dictionaries(NAMES, JSON, min_size=1, max_size=2), st.sets(NAMES, max_size=2))
def test_setting_raising_and_removing_twice_is_doing_it_once(doc: dict[str, Any], values: dict[str, Any], gone: set[str]) -> None:
    before = stored({"_id": "1", **doc})
    highest = {f"most_{name}": value for name, value in values.items()}
    steps = prepared({"$set": values, "$max": highest, "$unset": dict.fromkeys(gone - values.keys(), "")}, NOW)
    once = changed(before, steps)
    assert same(changed(once, steps), once)
    assert before == stored({"_id": "1", **doc}) or "nan" in repr(before), "a change has touched the document that it was made of"


@given(st.dictionaries(NAMES, JSON, max_size=3))
def test_what_an_upsert_makes_is_what_its_filter_finds(where: dict[str, Any]) -> None:
    exact = resolved({"_id": "1", **where}, NOW)
    assert matches(fresh(exact), exact, NOW)


@given(ANY_TEXT)
def test_however_an_attempt_fails_it_can_be_written_down(text: str) -> None:
    stored(failed(ValueError(text)))


@given(st.sampled_from(Phase), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_only_the_epoch_that_is_waited_for_is_claimed_and_goes_on(phase: Phase, wanted: int, hinted: int, paused: bool) -> None:
    doc = {"_id": "run.1", "run_id": "run", "phase": phase, "epoch": wanted, "paused": paused, "agent": "shell"}
    claim = claim_from(doc, hinted)
    assert (claim is not None) == (phase in CLAIMABLE and wanted == hinted and not paused)
    if claim:
        assert is_still_wanted(claim, doc)
        assert not is_still_wanted(claim, doc | {"epoch": wanted + 1})
        assert not is_still_wanted(claim, None)


@given(st.integers(0, 5), st.integers(0, 5))
def test_an_older_epoch_never_wins(first: int, second: int) -> None:
    assume(first != second)
    doc = {"_id": "run.1", "run_id": "run", "phase": Phase.READY, "epoch": max(first, second)}
    assert claim_from(doc, min(first, second)) is None
