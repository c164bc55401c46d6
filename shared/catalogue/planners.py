"""The planners, by name. One entry here, one file in `services/planner/planners/`."""

from collections.abc import Mapping
from functools import cache

from shared.plugins import entry_points

GROUP = "taskgrove.planners"

PLANNERS = {
    "outline": "the structure of the notes becomes the tree of tasks; no model",
    "model": "a language model makes the plan from a prompt, notes or both",
    "import": "a plan as JSON, or a workflow in WfCommons WfFormat 1.5",
}

NOBODY_PLANS = (
    "without notes a language model has to make the plan, and none is configured: give notes (--notes PATH), or set "
    "TASKGROVE_MODEL_BASE_URL and TASKGROVE_MODEL_NAME for planner, executor, checker and approvals"
)


@cache
def known_planners() -> Mapping[str, str]:
    """These, and those of installed packages: their names are known without loading them."""
    return {**{point.name: f"made by {point.value.partition(':')[0]}" for point in entry_points(group=GROUP)}, **PLANNERS}


def default_planner(*, notes: bool) -> str:
    """Who plans when nobody is named: the structure of the notes, or, where there are none, a language model."""
    return "outline" if notes else "model"
