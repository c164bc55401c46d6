"""What the tests of the planner share: plans from text, and the problems in it."""

import textwrap

import pytest

from services.planner.planners import PlanRequest, planner_named
from shared.contracts.plan import NotesFile, Plan, RunOptions, TaskSpec
from shared.errors import NotesError

BLOCK = "\n```sh\ntrue\n```\n"


def request(*texts: str, prompt: str = "", options: RunOptions | None = None, names: tuple[str, ...] = ()) -> PlanRequest:
    """A request with these texts as a.md, b.md, …"""
    named = names or tuple(f"{chr(97 + place)}.md" for place in range(len(texts)))
    notes = tuple(NotesFile(name=name, text=text) for name, text in zip(named, texts, strict=True))
    return PlanRequest(task_id="run", prompt=prompt, notes=notes, options=options or RunOptions())


def outline(*texts: str, prompt: str = "") -> Plan:
    """The plan for these notes, given as indented text."""
    return planner_named("outline").plan(request(*(textwrap.dedent(text) for text in texts), prompt=prompt))


def problems(*texts: str) -> list[str]:
    """The problems in these notes."""
    with pytest.raises(NotesError) as caught:
        outline(*texts)
    return caught.value.problems


def only_problem(*texts: str) -> str:
    """The single problem in these notes."""
    found = problems(*texts)
    assert len(found) == 1, found
    return found[0]


def task(plan: Plan, *titles: str) -> TaskSpec:
    """The task below these titles."""
    tasks, found = plan.tasks, None
    for title in titles:
        found = next(one for one in tasks if one.title == title)
        tasks = found.subtasks
    assert found is not None
    return found


def waits(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Which top task waits for which, by key."""
    return {one.key: one.after for one in plan.tasks}
