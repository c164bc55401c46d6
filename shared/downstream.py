"""Who would have to be done again with a task: all that waits for it, or for a task around it, and all below those."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.ids import above

FIELDS = ("parent_id", "dependencies", "feeds")
"""What of each task of a run must be known."""


@dataclass(frozen=True, slots=True)
class Downstream:
    """`again` are done again, `around` lie around them and only join their results again."""

    again: frozenset[str]
    around: frozenset[str]


class Graph:
    """The edges of a whole run, from documents with FIELDS. Tasks depend on their siblings only; a parent depends on its children."""

    def __init__(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        self._known: set[str] = set()
        self._dependents: dict[str, list[str]] = defaultdict(list)
        self._children: dict[str, list[str]] = defaultdict(list)
        for task in tasks:
            name = task["_id"]
            self._known.add(name)
            if parent := task.get("parent_id"):
                self._children[parent].append(name)
            self._dependents[name] += task.get("feeds") or ()
            for before in task.get("dependencies") or ():
                self._dependents[before].append(name)

    def dependents(self, task_id: str) -> list[str]:
        """The tasks that wait for this one."""
        return [name for name in self._dependents.get(task_id, ()) if name in self._known]

    def children(self, task_id: str) -> list[str]:
        """The tasks right below this one."""
        return self._children.get(task_id, [])

    def below(self, task_id: str) -> list[str]:
        """All tasks below this one."""
        found: list[str] = []
        wave = [task_id]
        while wave:
            wave = [child for name in wave for child in self.children(name)]
            found += wave
        return found

    def downstream(self, seeds: Iterable[str]) -> Downstream:
        """What is done again with these tasks; they themselves are among it."""
        tops = set(seeds)
        around = {name for seed in tops for name in above(seed)}
        waiting = [*tops, *around]
        while waiting:
            for dependent in self.dependents(waiting.pop()):
                if dependent not in tops:
                    tops.add(dependent)
                    waiting.append(dependent)
        again = tops.union(*(self.below(name) for name in tops)) if tops else set()
        return Downstream(frozenset(again), frozenset(around - again))
