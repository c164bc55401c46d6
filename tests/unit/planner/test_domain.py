"""The planner's pure decisions."""

from itertools import pairwise

import pytest

from services.planner import domain
from shared.contracts.plan import Plan, RunOptions, TaskSpec
from shared.errors import LimitExceeded


def spec(key: str, *subtasks: TaskSpec) -> TaskSpec:
    """A task, a group where there are subtasks."""
    return TaskSpec(key=key, title=key.upper(), description=f"about {key}", checks=({"kind": "file", "path": key},), subtasks=subtasks)


def plan_of(*tasks: TaskSpec) -> Plan:
    """A plan of these tasks."""
    return Plan(task_id="run", planner="outline", tasks=tasks)


TREE = plan_of(spec("a", spec("b", spec("c"), spec("d")), spec("e")), spec("f"))


def test_a_tree_becomes_one_plan_a_level_by_the_ids_that_its_tasks_will_have() -> None:
    plans = domain.nested(TREE)
    assert [(plan.task_id, [task.key for task in plan.tasks]) for plan in plans] == [
        ("run", ["a", "f"]),
        ("run.1", ["b", "e"]),
        ("run.1.1", ["c", "d"]),
    ]
    assert [task.kind for task in plans[0].tasks] == ["group", "work"]
    assert not any(task.subtasks for plan in plans for task in plan.tasks)
    below = plans[1]
    assert (below.version, below.planner, below.title, below.description) == (1, "outline", "A", "about a")
    assert below.checks == ({"kind": "file", "path": "a"},)


@pytest.mark.parametrize(
    ("limits", "depth", "says"),
    [
        ({"max_tasks": 5}, 0, "the plan has 6 tasks, and the limit is 5; make it smaller, or raise the option maxTasks"),
        (
            {"max_width": 1},
            0,
            "the plan has 2 tasks side by side below one parent, and the limit is 1; make it smaller, or raise the option maxWidth",
        ),
        (
            {"max_depth": 2},
            0,
            "the plan has 3 levels of tasks below the root, and the limit is 2; make it smaller, or raise the option maxDepth",
        ),
        ({"max_depth": 3}, 1, "the plan has 4 levels of tasks below the root, and the limit is 3"),
    ],
)
def test_a_limit_that_is_exceeded_is_named(limits: dict[str, int], depth: int, says: str) -> None:
    with pytest.raises(LimitExceeded, match=says):
        domain.refuse_if_too_large(TREE, RunOptions.model_validate(limits), depth=depth)


def test_limits_that_are_just_kept() -> None:
    domain.refuse_if_too_large(TREE, RunOptions(max_tasks=6, max_width=2, max_depth=5), depth=2)


def test_a_digest_is_the_plan_s_own() -> None:
    again = Plan.model_validate_json(TREE.model_dump_json(by_alias=True))
    assert domain.digest(again) == domain.digest(TREE)
    assert len(domain.digest(TREE)) == 64
    assert domain.digest(TREE.model_copy(update={"version": 2})) != domain.digest(TREE)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    one, two = (TaskSpec(key="a", title="A", inputs=inputs) for inputs in ({"x": 1, "y": "é"}, {"y": "é", "x": 1}))
    assert domain.digest(plan_of(one)) == domain.digest(plan_of(two))


def test_cycles_are_paths_in_which_each_waits_for_the_next() -> None:
    after = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": [], "e": ["e"]}
    found = domain.cycles(after)
    assert sorted(len(ring) for ring in found) == [2, 4]
    for ring in found:
        assert ring[0] == ring[-1]
        assert all(following in after[name] for name, following in pairwise(ring))
    assert domain.cycles({"a": ["b"], "b": []}) == []


def test_groups_in_a_plan_of_a_model_are_of_that_model_too() -> None:
    plans = domain.nested(TREE.model_copy(update={"model": "m", "prompt_hash": "h"}))
    assert {(plan.model, plan.prompt_hash) for plan in plans} == {("m", "h")}
    assert len(plans) > 1
