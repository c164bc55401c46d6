"""What is submitted to be measured: recorded workflows, scaled, and plans that fit into one submission at their full sizes."""

import json
from pathlib import Path

import pytest

from benchmarks import plans, workflows
from benchmarks.question import Skipped
from benchmarks.sizes import QUICK, Sizes
from services.approvals.domain.submitting import MOST_NOTES
from services.planner.planners.base import PlanRequest
from services.planner.planners.imported import ImportPlanner
from shared.contracts.plan import NotesFile, RunOptions

FULL = Sizes()
LARGE = {
    "fan": plans.fan(FULL.wide),
    "burst": plans.burst(FULL.wide),
    "layers": plans.layers(FULL.layer, FULL.layers),
    "crowd": plans.bare(FULL.crowd, "noop"),
    "napping": plans.bare(FULL.crowd, "nap"),
    "flood": plans.bare(FULL.flood_run, "blink"),
    "spread": plans.spread(FULL.growth[-1] // FULL.group, FULL.group),
}


class TestPlans:
    @pytest.mark.parametrize("plan", LARGE.values(), ids=LARGE.keys())
    def test_one_submission_has_room_for_the_largest(self, plan: NotesFile) -> None:
        assert len(plan.text.encode()) <= MOST_NOTES

    @pytest.mark.parametrize(
        ("plan", "tasks", "edges"),
        [
            (plans.fan(3), 4, 3),
            (plans.chain(4), 4, 3),
            (plans.burst(3), 4, 3),
            (plans.layers(3, 4), 12, 27),
            (plans.spread(2, 100), 2, 0),
            (plans.bare(3, "noop"), 3, 0),
            (plans.burning(2, 0.01), 2, 0),
        ],
        ids=["fan", "chain", "burst", "layers", "spread", "bare", "burning"],
    )
    def test_the_planner_takes_them_as_they_are_meant(self, plan: NotesFile, tasks: int, edges: int) -> None:
        request = PlanRequest(task_id="r", prompt="", notes=(plan,), options=RunOptions(planner="import"))
        made = ImportPlanner().plan(request)
        assert (len(made.tasks), sum(len(task.after) for task in made.tasks)) == (tasks, edges)

    def test_a_quick_session_is_smaller_in_everything(self) -> None:
        assert max(QUICK.growth) < max(FULL.growth)
        assert QUICK.tasks < FULL.tasks


class TestWorkflows:
    def test_the_median_of_what_took_time_takes_what_is_wanted(self, tmp_path: Path) -> None:
        path = _recorded(tmp_path, {"a": (4.0, []), "b": (2.0, ["a"]), "c": (8.0, ["a"]), "d": (0.0, ["b", "c"]), "e": (0.0, [])})
        workflow = workflows.read(path, 0.5)
        assert workflow.scale == pytest.approx(0.125)
        assert workflow.critical == pytest.approx(1.5)
        assert workflow.tasks == 5

    def test_a_directory_may_hold_them_in_a_folder_of_their_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "wfformat").mkdir()
        _recorded(tmp_path / "wfformat", {"a": (1.0, [])})
        for place in (tmp_path, tmp_path / "wfformat"):
            monkeypatch.setenv("TASKGROVE_DATA", str(place))
            assert [one.name for one in workflows.found(0.5)] == ["recorded"]

    def test_without_any_it_is_said_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TASKGROVE_DATA", raising=False)
        with pytest.raises(Skipped, match="TASKGROVE_DATA"):
            workflows.found(0.5)


def _recorded(folder: Path, tasks: dict[str, tuple[float, list[str]]]) -> Path:
    specification = [{"id": name, "name": name, "parents": parents} for name, (_, parents) in tasks.items()]
    execution = [{"id": name, "runtimeInSeconds": seconds} for name, (seconds, _) in tasks.items()]
    content = {"schemaVersion": "1.5", "workflow": {"specification": {"tasks": specification}, "execution": {"tasks": execution}}}
    path = folder / "recorded.json"
    path.write_text(json.dumps(content))
    return path
