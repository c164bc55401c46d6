"""A plan under review is looked at by its beginning, however wide it is: what is not shown is not read."""

from collections.abc import Sequence
from typing import Any

from services.approvals.web.inbox import MOST_PLANNED
from services.approvals.web.plan import MOST_LINES, MOST_READ
from shared.contracts.plan import TaskSpec
from shared.contracts.sequencer import ApprovalRequested
from shared.ids import new_id
from shared.storage.port import Doc
from tests.unit.approvals.desk import Desk, task

PART = 500
BROKEN: list[dict[str, Any]] = [{"whoever": "reads this, fails"}]


def specs(count: int, start: int = 0, **fields: Any) -> list[TaskSpec]:
    """So many tasks; each names one that is far behind it."""
    return [
        TaskSpec(key=f"t{n}", title=f"Task {n}", after=(f"t{n + MOST_READ}",), estimate=1, **fields) for n in range(start, start + count)
    ]


async def put_plan(desk: Desk, parent: str, parts: Sequence[list[dict[str, Any]]], *, count: int, run: str = "") -> Doc:
    """As the planner keeps it; its header."""
    name = f"{parent}@1"
    header = {"_id": name, "part": False, "run_id": run or parent, "task_id": parent, "version": 1, "state": "proposed", "count": count}
    header |= {"parts": len(parts), "planner": "import", "title": "Wide"}
    pages = [{"_id": f"{name}#{n}", "part": True, "run_id": run or parent, "tasks": tasks} for n, tasks in enumerate(parts)]
    await desk.put("plans", header, *pages)
    return header


async def wide(desk: Desk, *, readable: int, parts: int) -> str:
    """A run whose plan waits to be approved; only so many of its parts can be read."""
    run = new_id()
    pages = [[one.wire() for one in specs(PART, n * PART)] if n < readable else BROKEN for n in range(parts)]
    await put_plan(desk, run, pages, count=parts * PART)
    await desk.put("tasks", task(run, phase="awaiting_approval", approval_id=f"{run}:plan:0", epoch=0, created_at=desk.ground.clock.now()))
    return run


async def asked(desk: Desk, run: str) -> None:
    """Somebody is asked about the plan."""
    await desk.hears(
        ApprovalRequested(
            run_id=run,
            task_id=run,
            approval_id=f"{run}:plan:0",
            kind="plan_review",
            title="Wide",
            question="Good?",
            choices=("approve", "reject"),
            digest="d1",
        )
    )


async def test_the_inbox_lists_the_first_tasks(desk: Desk) -> None:
    run = await wide(desk, readable=1, parts=40)
    await asked(desk, run)
    page = await desk.as_("pat").get(f"/inbox/{run}:plan:0")
    assert page.status_code == 200
    assert page.text.count("<li><strong>Task ") == MOST_PLANNED
    assert f"The plan: {40 * PART} tasks</h3>" in page.text
    assert f"and {40 * PART - MOST_PLANNED} tasks more" in page.text


async def test_the_page_of_the_plan_is_worked_out_of_its_beginning(desk: Desk) -> None:
    run = await wide(desk, readable=MOST_READ // PART, parts=40)
    await asked(desk, run)
    page = await desk.as_("pat").get(f"/runs/{run}/plan")
    assert page.status_code == 200
    assert page.text.count("<tr><td") == MOST_LINES
    for words in (
        f"at least {40 * PART} tasks",
        f"worked out of the {MOST_READ} tasks",
        f"and {40 * PART - MOST_LINES} tasks more, or beyond",
    ):
        assert words in page.text
    assert f"/runs/{run}/start" in page.text


async def test_a_page_that_waits_for_the_question_reads_nothing_of_the_plan(desk: Desk) -> None:
    run = await wide(desk, readable=0, parts=1)
    page = await desk.as_("pat").get(f"/ui/runs/{run}/plan")
    assert (page.status_code, "The plan is being made" in page.text) == (200, True)


async def test_groups_are_read_level_by_level_as_far_as_there_is_room(desk: Desk) -> None:
    run = new_id()
    groups = [one.wire() for one in specs(2, kind="group")]
    header = await put_plan(desk, run, [groups], count=2)
    for name in (f"{run}.1", f"{run}.2"):
        await put_plan(desk, name, [[one.wire() for one in part] for part in (specs(2), specs(1, 2))], count=3, run=run)

    async def read(most: int) -> tuple[list[int], int, bool]:
        part = await desk.deps.looking.plan(header, most=most)
        return [len(one.subtasks) for one in part.tasks], part.total, part.is_whole

    assert await read(1) == ([0], 2, False)
    assert await read(2) == ([0, 0], 2, False)
    assert await read(4) == ([2, 0], 8, False)
    assert await read(6) == ([3, 1], 8, False)
    assert await read(8) == ([3, 3], 8, True)
    assert await read(9) == ([3, 3], 8, True)


async def test_a_group_whose_own_plan_failed_has_none(desk: Desk) -> None:
    """What is kept of a plan that failed says why, and not how many tasks it has."""
    run = new_id()
    header = await put_plan(desk, run, [[TaskSpec(key="g", title="G", kind="group").wire()]], count=1)
    await desk.put("plans", {"_id": f"{run}.1@1", "part": False, "run_id": run, "task_id": f"{run}.1", "state": "failed", "parts": 0})
    await desk.put("tasks", task(run, created_at=desk.ground.clock.now()))
    assert (await desk.deps.looking.plan(header, most=10)).total == 1
    assert (await desk.as_("vic").get(f"/tasks/{run}/plan")).status_code == 200
