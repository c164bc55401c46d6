"""Priorities and the cap of a run: said in notes or on submission, inherited, and never lost on the way to the tasks."""

from collections.abc import Iterator

import pytest

from services.executor.agents import TooBig
from services.executor.domain import written
from services.planner.domain import prioritised, settled
from services.planner.planners import planner_named
from services.sequencer.domain.grow import root_document
from shared.clock import ServerClock
from shared.contracts.plan import Plan, RunOptions, TaskSpec
from tests.unit.planner.samples import BLOCK, only_problem, outline, problems, request

TREE = f"# Run\n## A\n- priority: 8\n### Inner\n{BLOCK}\n### Own\n- priority: 5\n{BLOCK}\n## B\n{BLOCK}\n## C\n- priority: 0\n{BLOCK}"


def front(*lines: str) -> str:
    return "\n".join(["---", *lines, "---", ""])


def priorities(plan: Plan) -> dict[str, int]:
    def walked(tasks: tuple[TaskSpec, ...]) -> Iterator[tuple[str, int]]:
        for task in tasks:
            yield task.title, task.priority
            yield from walked(task.subtasks)

    return dict(walked(plan.tasks))


class TestInheritance:
    def test_from_the_group_around_a_task_unless_it_says_its_own(self) -> None:
        plan, options = settled(outline(TREE), RunOptions())
        assert priorities(plan) == {"A": 8, "Inner": 8, "Own": 5, "B": 5, "C": 0}
        assert (options.priority, options.concurrency) == (None, None)

    def test_from_the_run_where_nobody_says_another(self) -> None:
        plan, _ = settled(outline(TREE), RunOptions(priority=2))
        assert priorities(plan) == {"A": 8, "Inner": 8, "Own": 5, "B": 2, "C": 0}

    def test_what_needs_no_change_is_the_very_same(self) -> None:
        plan = outline(f"# Run\n## A\n### B\n{BLOCK}\n## C\n{BLOCK}")
        assert prioritised(plan, 5) is plan

    def test_it_changes_nothing_the_second_time(self) -> None:
        plan, options = settled(outline(front("priority: 9", "concurrency: 3") + TREE), RunOptions())
        again = Plan.model_validate(plan.wire())
        assert settled(again, options) == (again, options)
        assert priorities(again) == priorities(plan)

    def test_a_breakdown_that_an_agent_proposes_inherits_as_well(self) -> None:
        subtasks = (TaskSpec(key="a", title="A", priority=5), TaskSpec(key="b", title="B", subtasks=(TaskSpec(key="c", title="C"),)))
        kept = written(TooBig("a lot", subtasks))["proposal"]
        read = tuple(TaskSpec.model_validate(task) for task in kept)
        assert read == subtasks
        assert priorities(prioritised(Plan(task_id="run.1", planner="proposal", tasks=read), 7)) == {"A": 5, "B": 7, "C": 7}

    @pytest.mark.parametrize(("options", "priority"), [({}, 5), ({"priority": None}, 5), ({"priority": 0}, 0), ({"priority": 9}, 9)])
    def test_the_root_has_the_run_s(self, options: dict[str, int | None], priority: int) -> None:
        root = root_document(run_id="run", title="T", description="", header={"options": options}, now=ServerClock().now())
        assert root["priority"] == priority


class TestFrontMatter:
    def test_it_sets_both_for_the_run(self) -> None:
        plan, options = settled(outline(front("title: Release", "priority: 7", "concurrency: 4") + TREE), RunOptions())
        assert (options.priority, options.concurrency) == (7, 4)
        assert priorities(plan) == {"A": 8, "Inner": 8, "Own": 5, "B": 7, "C": 0}

    def test_what_is_submitted_counts_more(self) -> None:
        _, options = settled(outline(front("priority: 7", "concurrency: 4") + TREE), RunOptions(priority=0, concurrency=9))
        assert (options.priority, options.concurrency) == (0, 9)

    def test_so_does_the_heading_of_the_run(self) -> None:
        plan, options = settled(outline(front("priority: 7") + f"# Run\n- priority: 3\n## A\n{BLOCK}"), RunOptions())
        assert (options.priority, priorities(plan)) == (3, {"A": 3})

    def test_a_run_of_one_task_has_it_too(self) -> None:
        plan, options = settled(outline(front("priority: 7", "concurrency: 1") + f"# Run\n{BLOCK}"), RunOptions())
        assert (options.priority, options.concurrency, priorities(plan)) == (7, 1, {"Run": 7})

    def test_of_several_files_each_has_its_own_priority_and_the_run_one_cap(self) -> None:
        first, second = front("priority: 7") + f"# A\n## A1\n{BLOCK}", front("concurrency: 4") + f"# B\n## B1\n{BLOCK}"
        plan, options = settled(outline(first, second), RunOptions(priority=1))
        assert (options.priority, options.concurrency) == (1, 4)
        assert priorities(plan) == {"A": 7, "A1": 7, "B": 1, "B1": 1}

    @pytest.mark.parametrize("line", ["priority: 7", 'priority: "7"', "priority:  7   # sooner than others", "priority: '7'"])
    def test_it_may_be_written_as_yaml_has_it(self, line: str) -> None:
        assert outline(front(line) + f"# Run\n## A\n{BLOCK}").priority == 7

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("priority: high", "`priority`: `high` does not fit; write a whole number from 0 to 9"),
            ("priority: 10", "from 0 to 9"),
            ("concurrency: 0", "`concurrency`: `0` does not fit; write a whole number from 1 to 100000"),
            ("concurrency:", "`concurrency`: `` does not fit"),
        ],
    )
    def test_what_does_not_fit_is_said_with_its_line(self, line: str, says: str) -> None:
        found = only_problem(front("title: T", line) + f"# Run\n## A\n{BLOCK}")
        assert found.startswith("a.md:3: ")
        assert says in found

    def test_what_is_said_twice_is_refused(self) -> None:
        assert "`priority` is set twice" in only_problem(front("priority: 1", "priority: 2") + f"# Run\n## A\n{BLOCK}")
        found = only_problem(front("concurrency: 1") + f"# A\n{BLOCK}", front("concurrency: 2") + f"# B\n{BLOCK}")
        assert "`concurrency` is 2 here and 1 in a.md" in found

    def test_a_cap_at_a_task_is_refused_with_the_way_out(self) -> None:
        (found, *more) = problems(f"# Run\n## A\n- concurrency: 2\n- retries: 1\n{BLOCK}")
        assert "`concurrency` is for the whole run; set it in the front matter" in found
        assert more == []


class TestImport:
    def test_a_plan_file_says_the_same(self) -> None:
        text = '{"priority": 6, "concurrency": 2, "tasks": [{"key": "a", "title": "A", "agent": "human"}]}'
        plan, options = settled(planner_named("import").plan(request(text, names=("plan.json",))), RunOptions())
        assert (options.priority, options.concurrency, priorities(plan)) == (6, 2, {"A": 6})
