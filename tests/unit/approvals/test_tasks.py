"""GET /tasks: slices joined into views, phases that are read off attempts, trees, lists."""

from typing import Any

from shared.contracts.views import SequenceView, TaskPage, TaskView
from shared.ids import new_id
from tests.unit.approvals.desk import Desk, attempt, model_call, task, verdict

ALL = {(field.alias or name) for name, field in TaskView.model_fields.items()}


async def run_of_four(desk: Desk) -> str:
    """A root; a group with two children, one running and one being checked; a task that waits for the group."""
    run = new_id()
    await desk.put(
        "tasks",
        task(run, phase="expanded", children=2, epoch=0),
        task(f"{run}.1", kind="group", phase="expanded", children=2, epoch=0),
        task(f"{run}.2", phase="blocked", dependencies=[f"{run}.1"], epoch=0),
        task(f"{run}.1.1", epoch=2),
        task(f"{run}.1.2"),
    )
    first, again = attempt(f"{run}.1.1", 1, state="failed"), attempt(f"{run}.1.1", 2, state="running", result=None, usage={})
    await desk.put("attempts", first, again, attempt(f"{run}.1.2", usage={"seconds": 2.0, "promptTokens": 7}))
    await desk.put("verdicts", verdict(f"{run}.1.2", state="running", evidence=[]), verdict(f"{run}.1.1", 1, judgement="failed"))
    return run


async def view_of(desk: Desk, task_id: str, **params: Any) -> TaskView:
    """The task as a client sees it."""
    answer = await desk.as_("vic").get(f"/tasks/{task_id}", params=params)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == ALL
    return TaskView.model_validate_json(answer.content)


class TestTasks:
    async def test_phases_are_read_off_attempts(self, desk: Desk) -> None:
        run = await run_of_four(desk)
        running, checked = await view_of(desk, f"{run}.1.1"), await view_of(desk, f"{run}.1.2")
        assert (running.phase, running.status, running.result) == ("running", "In Progress", None)
        assert running.usage.seconds == 1.5
        assert (checked.phase, checked.status) == ("checking", "In Progress")
        assert checked.result
        assert checked.result.summary == "did it"
        await desk.ground.database["attempts"].update({"_id": f"{run}.1.1:2"}, {"$set": {"state": "released"}})
        assert (await view_of(desk, f"{run}.1.1")).phase == "ready"

    async def test_a_group_adds_up(self, desk: Desk) -> None:
        run = await run_of_four(desk)
        group = await view_of(desk, f"{run}.1")
        assert group.child_ids == (f"{run}.1.1", f"{run}.1.2")
        assert group.dependents == (f"{run}.2",)
        assert (group.usage.seconds, group.usage.prompt_tokens, group.usage.usd) == (3.5, 7, None)
        assert group.counts is None
        root = await view_of(desk, run)
        assert root.counts == {"expanded": 2, "blocked": 1, "running": 1, "checking": 1}
        assert root.usage == group.usage

    async def test_what_models_were_paid_for_is_the_tasks_cost(self, desk: Desk) -> None:
        run = await run_of_four(desk)
        await desk.put("planner_calls", model_call(run))
        await desk.put("executor_calls", model_call(f"{run}.1.1"), model_call(f"{run}.1.1", 2, usd=None, completion_tokens=None))
        await desk.put("checker_calls", model_call(f"{run}.1.2"), model_call(f"{run}.10"))
        task_, group, root = [(await view_of(desk, name)).usage for name in (f"{run}.1.1", f"{run}.1", run)]
        assert (task_.seconds, task_.prompt_tokens, task_.completion_tokens, task_.usd) == (1.5, 200, 10, 0.5)
        assert (group.seconds, group.prompt_tokens, group.completion_tokens, group.usd) == (3.5, 307, 20, 1.0)
        assert (root.seconds, root.prompt_tokens, root.completion_tokens, root.usd) == (3.5, 507, 40, 2.0), (
            "also for one that is there no more"
        )
        assert (task_.unpriced, group.unpriced, root.unpriced) == (1, 1, 1), "what is in no sum of dollars is counted"
        assert (await view_of(desk, f"{run}.1.2")).usage.unpriced == 0
        tree = await view_of(desk, run, tree="full")
        assert tree.children
        assert (tree.usage, tree.children[0].usage, tree.children[1].usage.usd) == (root, group, None)
        assert tree.children[1].usage.unpriced is None, "no model was asked"

    async def test_a_tree_holds_the_same_views(self, desk: Desk) -> None:
        run = await run_of_four(desk)
        tree = await view_of(desk, run, tree="full")
        assert tree.children
        assert [child.task_id for child in tree.children] == [f"{run}.1", f"{run}.2"]
        assert tree.model_copy(update={"children": None}) == await view_of(desk, run)
        group = tree.children[0]
        assert group.model_copy(update={"children": None}) == await view_of(desk, f"{run}.1")
        assert group.children
        for child in (*group.children, tree.children[1]):
            assert child.children == ()
            assert child.model_copy(update={"children": None}) == await view_of(desk, child.task_id)
        assert (await view_of(desk, f"{run}.1", tree="full")).children == group.children

    async def test_siblings_with_longer_numbers_are_no_children(self, desk: Desk) -> None:
        run = new_id()
        await desk.put(
            "tasks", task(run, children=10), *(task(f"{run}.{n}", kind="group", children=1) for n in (1, 10)), task(f"{run}.1.1")
        )
        await desk.put("attempts", attempt(f"{run}.10"), attempt(f"{run}.1.1", usage={"seconds": 4.0}))
        assert (await view_of(desk, f"{run}.1")).usage.seconds == 4.0

    async def test_runs_whose_ids_look_alike_are_kept_apart(self, desk: Desk) -> None:
        """Whoever publishes a submission chooses its id; ids of attempts at one run's root lie among those of the other."""
        names = ("a", "a-b", "a1", "a_", "aa")
        for run in names:
            await desk.put("tasks", task(run, phase="expanded", children=1), task(f"{run}.1"))
            await desk.put("attempts", attempt(run, usage={"seconds": 1.0}), attempt(f"{run}.1", usage={"seconds": 2.0}))
        reader = desk.as_("vic")
        for run in names:
            first = TaskPage.model_validate_json((await reader.get("/tasks", params={"run": run, "limit": 1})).content)
            rest = (await reader.get("/tasks", params={"run": run, "limit": 1, "cursor": first.next_cursor})).json()
            assert [first.items[0].task_id, *(one["taskId"] for one in rest["items"])] == [run, f"{run}.1"]
            root = await view_of(desk, run)
            assert (root.usage.seconds, root.counts) == (3.0, {"expanded": 1, "checking": 1})
            slices = (await reader.get(f"/tasks/{run}/export")).json()["slices"]
            assert [[one["_id"] for one in slices[name]] for name in ("tasks", "attempts")] == [
                [run, f"{run}.1"],
                [f"{run}.1:1", f"{run}:1"],
            ]

    async def test_very_many_dependencies_are_seen_from_both_sides(self, desk: Desk) -> None:
        run = new_id()
        feeding = [task(f"{run}.{n}", feeds=[f"{run}.4"]) for n in (1, 2, 3)]
        await desk.put("tasks", task(run, children=4), *feeding, task(f"{run}.4", wide=True))
        tree = await view_of(desk, run, tree="full")
        assert tree.children
        assert (await view_of(desk, f"{run}.4")).dependencies == tree.children[3].dependencies == (f"{run}.1", f"{run}.2", f"{run}.3")
        assert (await view_of(desk, f"{run}.1")).dependents == tree.children[0].dependents == (f"{run}.4",)

    async def test_lists(self, desk: Desk) -> None:
        run = await run_of_four(desk)
        waiting = (await desk.as_("sue").post("/tasks", json={"description": "later"})).json()["taskId"]

        async def ids(**params: Any) -> list[str]:
            answer = await desk.as_("vic").get("/tasks", params=params)
            return [one.task_id.removeprefix(run) for one in TaskPage.model_validate_json(answer.content).items]

        assert await ids(run=run) == ["", ".1", ".1.1", ".1.2", ".2"]
        assert await ids(parent=f"{run}.1") == [".1.1", ".1.2"]
        assert await ids(run=run, phase="running") == [".1.1"]
        assert await ids(run=run, phase="ready") == []
        assert await ids(run=run, status="Pending") == [".2"]
        assert await ids(roots="true") == [waiting, ""]
        assert await ids(roots="true", phase="expanding") == [waiting]
        assert await ids(run=waiting) == [waiting]
        assert (await desk.as_("vic").get("/tasks", params={"phase": "runing"})).status_code == 422

    async def test_pages_have_no_gaps(self, desk: Desk) -> None:
        run = await run_of_four(desk)
        for params, count in (({"run": run}, 5), ({"roots": "true"}, 1), ({"run": run, "status": "In Progress"}, 4)):
            found: list[str] = []
            cursor: str | None = ""
            while cursor is not None:
                query = {**params, "limit": "2", **({"cursor": cursor} if cursor else {})}
                page = TaskPage.model_validate_json((await desk.as_("vic").get("/tasks", params=query)).content)
                found, cursor = [*found, *(one.task_id for one in page.items)], page.next_cursor
            assert len(found) == len(set(found)) == count

    async def test_what_waits_for_its_planner_is_found_behind_newer_runs_that_do_not(self, desk: Desk) -> None:
        sue = desk.as_("sue")
        waiting, *planned = [(await sue.post("/tasks", json={"description": "x"})).json()["taskId"] for _ in range(6)]
        await desk.put("tasks", *(task(run, phase="completed") for run in planned))
        for limit in (1, 2, 4, 6):
            params = {"roots": "true", "status": "In Progress", "limit": str(limit)}
            page = TaskPage.model_validate_json((await desk.as_("vic").get("/tasks", params=params)).content)
            assert [one.task_id for one in page.items] == [waiting]

    async def test_the_sequence(self, desk: Desk) -> None:
        run = new_id()
        await desk.put(
            "tasks",
            task(run, phase="expanded"),
            task(f"{run}.1", position=1, group=1, dependencies=[f"{run}.2"]),
            task(f"{run}.2", position=0, group=0),
            task(f"{run}.v2-1", position=0),
        )
        assert (await desk.as_("vic").get(f"/tasks/{run}/sequence")).status_code == 404
        await desk.put("sequences", {"_id": f"{run}@1", "run_id": run, "task_id": run, "critical_path": [f"{run}.2"], "integration": []})
        view = SequenceView.model_validate_json((await desk.as_("vic").get(f"/tasks/{run}/sequence")).content)
        assert view.order == (f"{run}.2", f"{run}.1")
        assert view.edges == ((f"{run}.2", f"{run}.1"),)
        assert view.groups == ((f"{run}.2",), (f"{run}.1",))
