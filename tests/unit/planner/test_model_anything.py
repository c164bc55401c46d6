"""Whatever notes come and whatever a model says, there is a sound plan that keeps every approval, or a refusal."""

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.planner.planners.base import Means, PlanRequest
from services.planner.planners.model.brief import brief_of
from services.planner.planners.model.convert import Misunderstood, Terms, plan_from
from shared.contracts.plan import NotesFile, Plan, RunOptions
from shared.errors import TaskgroveError
from tests.unit.planner.test_outline_anything import MARKDOWN, NOTES, sound
from tests.unit.planner.thinking import CHECK, Said, answer, said_task

DEMANDING = "## Publish\n- approval: before, by release\n\n### Tell\n\n## Look\n- approval: after\n"
KEYS = st.sampled_from(["a", "b", "c", "B C", ""])
SAID = st.fixed_dictionaries(
    {"key": KEYS, "agent": st.sampled_from(["shell", "model", "human", "integrate"]), "after": st.lists(KEYS, max_size=2)},
    optional={
        "approval": st.sampled_from(["", "before", "A1", "A2", "A3"]),
        "notes": st.lists(st.sampled_from(["S1", "S2", "S3", "S9"]), max_size=2),
        "checks": st.lists(st.sampled_from([CHECK, {"kind": "schema", "path": "", "value": "{"}, {"kind": "x"}]), max_size=2),
        "title": st.text(max_size=5),
        "seconds": st.sampled_from([0, 1, -1, 1e9]),
    },
)
KEEPING = (said_task("a", approval="A1"), said_task("b", approval="A2"))
ANSWERS = st.one_of(
    st.lists(SAID, max_size=2).map(lambda tasks: answer(*KEEPING, *(said_task(**task | {"key": f"k{n}"}) for n, task in enumerate(tasks)))),
    st.text(max_size=50),
    st.lists(SAID, min_size=1, max_size=4).map(lambda tasks: answer(*(said_task(**task) for task in tasks))),
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ).map(json.dumps),
)


def terms(*texts: str) -> tuple[Terms, dict[str, Any]]:
    notes = tuple(NotesFile(name=f"{place}.md", text=text) for place, text in enumerate(texts))
    return brief_of(PlanRequest("run", "Do it.", notes, RunOptions()), Means(Said(answer())))


def understood(said: str, given_terms: Terms) -> Plan | None:
    try:
        return plan_from(said, given_terms, planner="model")
    except Misunderstood:
        return None


@example(answer(*KEEPING, said_task("k", title="\x1f")))
@given(ANSWERS)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_answer_loses_an_approval(said: str) -> None:
    plan = understood(said, terms(DEMANDING)[0])
    assert sound(plan)
    if plan:
        checkpoints = [task.checkpoint for task in plan.tasks if task.checkpoint]
        assert any(one.when == "before" and one.approvers == ("release",) for one in checkpoints)
        assert any(one.when == "after" for one in checkpoints)
        assert all(task.checks and task.notes for task in plan.tasks)


@given(st.lists(NOTES | MARKDOWN | st.text(max_size=200), max_size=3))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_notes_can_be_told_or_are_refused(texts: list[str]) -> None:
    try:
        given_terms, values = terms(*texts)
    except TaskgroveError:
        return
    marks = [section.mark for section in given_terms.notes.sections]
    assert len(set(marks)) == len(marks)
    assert all(demand.section.mark in marks for demand in given_terms.notes.demands)
    assert len(values["notes"]) == len(texts)
