"""GET /tasks/{id}/plan: the tasks that a plan review asks about."""

from shared.contracts.plan import Plan, TaskSpec
from shared.ids import new_id
from tests.unit.approvals.desk import Desk, task


async def planned(desk: Desk, task_id: str, version: int, *titles: str, state: str = "proposed") -> None:
    """A plan as the planner writes it."""
    run, name = task_id.partition(".")[0], f"{task_id}@{version}"
    specs = [TaskSpec(key=title.lower(), title=title, kind="group" if title == "Group" else "work").wire() for title in titles]
    header = {"_id": name, "part": False, "run_id": run, "task_id": task_id, "version": version, "state": state, "count": len(specs)}
    await desk.put("plans", {**header, "parts": 1, "planner": "outline", "title": "Flat"})
    await desk.put("plans", {"_id": f"{name}#0", "part": True, "run_id": run, "tasks": specs})


async def plan_of(desk: Desk, task_id: str) -> Plan | None:
    answer = await desk.as_("vic").get(f"/tasks/{task_id}/plan")
    return Plan.model_validate_json(answer.content) if answer.status_code == 200 else None


async def test_a_plan_is_there_before_its_tasks_are(desk: Desk) -> None:
    run = new_id()
    await desk.put("tasks", task(run, phase="awaiting_approval"))
    assert await plan_of(desk, run) is None
    await planned(desk, run, 1, "Group", "Hall")
    await planned(desk, f"{run}.1", 1, "Paint")
    plan = await plan_of(desk, run)
    assert plan
    assert (plan.task_id, plan.version, plan.title, plan.planner) == (run, 1, "Flat", "outline")
    assert [(spec.title, [below.title for below in spec.subtasks]) for spec in plan.tasks] == [("Group", ["Paint"]), ("Hall", [])]


async def test_of_several_plans_it_is_the_newest(desk: Desk) -> None:
    run = new_id()
    await desk.put("tasks", task(run, phase="expanded", plan_version=1))
    for version, title in ((1, "Old"), (2, "New")):
        await planned(desk, run, version, title)
        plan = await plan_of(desk, run)
        assert plan
        assert [spec.title for spec in plan.tasks] == [title]


async def test_what_could_not_be_planned_has_no_plan(desk: Desk) -> None:
    run = new_id()
    await desk.put("tasks", task(run, phase="failed", open=False))
    await planned(desk, run, 1, state="failed")
    assert await plan_of(desk, run) is None
    assert (await desk.as_("vic").get(f"/tasks/{new_id()}/plan")).status_code == 404
