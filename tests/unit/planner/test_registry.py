"""Which planners there are."""

from importlib.metadata import EntryPoint

import pytest

from services.planner.planners import known_planners, planner_named, planners
from services.planner.planners.base import PlanRequest
from shared.catalogue.planners import PLANNERS as CATALOGUE
from shared.contracts.plan import Plan
from shared.errors import BadInput


class Plugin:
    """A planner as another package would bring it."""

    name = "plugin"

    def plan(self, request: PlanRequest) -> Plan:
        return Plan(task_id=request.task_id, planner=self.name, tasks=())


def entry(name: str, value: str) -> EntryPoint:
    """An entry point of another package."""
    return EntryPoint(name=name, value=value, group="taskgrove.planners")


def test_the_registry_holds_what_the_catalogue_names() -> None:
    assert set(CATALOGUE) <= set(planners())
    assert all(planner_named(name).name == name for name in CATALOGUE)


def test_an_unknown_planner_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match=r"there is no planner 'outlin'; did you mean `outline`\?"):
        planner_named("outlin")


def test_a_plug_in_is_known_by_its_name() -> None:
    assert known_planners([entry("plugin", f"{__name__}:Plugin")])["plugin"].name == "plugin"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("outline", f"{__name__}:Plugin", "takes the name 'outline'"),
        ("x", "no.such.module:Planner", r"the planner 'x' \(no.such.module:Planner\)"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        known_planners([entry(name, value)])
