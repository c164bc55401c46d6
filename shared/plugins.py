"""What other packages offer, looked up once a process: to find it, the metadata of all that is installed is read."""

from collections.abc import Callable, Collection
from functools import cache
from importlib.metadata import EntryPoints
from importlib.metadata import entry_points as installed
from typing import Any

from shared.errors import BadInput

INSTALL = "(what another package brings must be installed here as well)"


@cache
def entry_points(*, group: str) -> EntryPoints:
    """The entry points of one group."""
    return installed(group=group)


def brought(
    group: str, own: Collection[str], *, make: Callable[[Any], Any] = lambda found: found, fits: Callable[[Any], bool] = lambda _: True
) -> dict[str, Any]:
    """What other packages bring, by name, made by `make`. Raises BadInput for what cannot be used, or takes one of the `own` names."""
    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        if point.name in own or point.name in found:
            raise BadInput(f"{point.value}, a {group}, takes the name {point.name!r}, which another has; rename or uninstall it")
        try:
            found[point.name] = make(point.load())
        except Exception as error:
            raise BadInput(f"{point.value}, the {group} {point.name!r}, cannot be loaded: {error}; mend or uninstall it") from error
        if not fits(found[point.name]):
            raise BadInput(f"{point.value}, the {group} {point.name!r}, describes none; mend it (docs/how-to/plug-ins.md) or uninstall it")
    return found


def refuse_unmatched(what: str, *, offered: Collection[str], known: Collection[str]) -> None:
    """Raises BadInput where something is offered that no plan may name, or known and not offered."""
    for name in (*offered, *known):
        if name not in known:
            raise BadInput(f"the {what} {name!r} is described nowhere; its package must offer it as taskgrove.catalogue.{what}s")
        if name not in offered:
            raise BadInput(f"the {what} {name!r} is described, and nobody does it here; its package must offer it as taskgrove.{what}s")
