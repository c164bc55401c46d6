"""What other packages offer, looked up once a process: to find it, the metadata of all that is installed is read."""

from functools import cache
from importlib.metadata import EntryPoints
from importlib.metadata import entry_points as installed


@cache
def entry_points(*, group: str) -> EntryPoints:
    """The entry points of one group."""
    return installed(group=group)
