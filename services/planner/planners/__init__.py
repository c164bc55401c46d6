"""The planners, by name: those of the house, and those that other packages bring."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint

from services.planner.names import did_you_mean
from services.planner.planners.base import Planner, PlanRequest
from services.planner.planners.imported import ImportPlanner
from services.planner.planners.model import ModelPlanner
from services.planner.planners.outline import OutlinePlanner
from shared.catalogue.planners import GROUP
from shared.errors import BadInput
from shared.plugins import INSTALL, entry_points

__all__ = ["PlanRequest", "Planner", "known_planners", "planner_named", "planners"]


def known_planners(plugins: Iterable[EntryPoint]) -> dict[str, Planner]:
    """The house's planners and the plug-ins. Raises BadInput for a plug-in that cannot be loaded or takes a name of the house."""
    known: dict[str, Planner] = {planner.name: planner for planner in (OutlinePlanner(), ModelPlanner(), ImportPlanner())}
    for plugin in plugins:
        if plugin.name in known:
            raise BadInput(f"the plug-in {plugin.value} takes the name {plugin.name!r}, which another planner has; rename or uninstall it")
        known[plugin.name] = _loaded(plugin)
    return known


def _loaded(plugin: EntryPoint) -> Planner:
    try:
        planner: Planner = plugin.load()()
    except Exception as error:
        raise BadInput(f"the planner {plugin.name!r} ({plugin.value}) cannot be loaded: {error}; mend or uninstall its package") from error
    return planner


@cache
def planners() -> Mapping[str, Planner]:
    """All planners that are installed here."""
    return known_planners(entry_points(group=GROUP))


def planner_named(name: str) -> Planner:
    """The planner. Raises BadInput with the nearest name."""
    if name not in planners():
        raise BadInput(f"there is no planner {name!r}; {did_you_mean(name, planners())} {INSTALL}")
    return planners()[name]
