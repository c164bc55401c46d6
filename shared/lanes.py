"""What waits for a handler or a write, kept by run and taken in turn, so that no run waits behind all of a bigger one."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

MOST_WEIGHT = 2_000
"""So much is handled together: about 50 to 400 ms of work, which is what a run that comes next has to wait."""
TURN = 200
"""So much of one run, then it is the next one's turn: what one event carries at most."""


@dataclass(slots=True)
class _Line(Generic[Item]):
    """What waits of one run, in the order in which it came, with the weight of each."""

    items: deque[Item] = field(default_factory=deque)
    weights: deque[int] = field(default_factory=deque)
    weight: int = 0

    def put(self, item: Item, weight: int) -> None:
        self.items.append(item)
        self.weights.append(weight)
        self.weight += weight

    def take(self, most: int, into: list[Item]) -> int:
        """Move about `most` worth of items, at least one; how much it was."""
        before = self.weight
        if before <= most:
            into.extend(self.items)
            self.items.clear()
            self.weights.clear()
            self.weight = 0
            return before
        items, weights, taken = self.items, self.weights, 0
        while taken < most and items:
            into.append(items.popleft())
            taken += weights.popleft()
        self.weight -= taken
        return taken


class Lane(Generic[Item]):
    """Items by run. What is taken of a run is handled before more of it is taken: so its order stays, however many handle at once."""

    def __init__(self, most: int = MOST_WEIGHT, turn: int = TURN) -> None:
        self._most = most
        self._turn = turn
        self._free: OrderedDict[str, _Line[Item]] = OrderedDict()
        self._held: dict[str, _Line[Item]] = {}
        self._busy: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        """Whether there is anything to take now."""
        return bool(self._free)

    def put(self, item: Item, *, run: str, weight: int) -> None:
        """It waits now, behind what waits of the same run."""
        lines = self._held if run in self._busy else self._free
        line = lines.get(run)
        if line is None:
            line = lines[run] = _Line()
        line.put(item, weight)
        self._count += 1

    def take(self) -> list[Item]:
        """About `most` of what waits, in turns over the runs, those first that have waited longest for theirs. `done` must follow."""
        taken: list[Item] = []
        again: OrderedDict[str, _Line[Item]] = OrderedDict()
        turns, left = self._free, self._most
        while left > 0 and (turns or again):
            if not turns:
                turns, again = again, OrderedDict()
            run, line = turns.popitem(last=False)
            left -= line.take(min(left, self._turn) if turns or again else left, taken)
            self._busy.add(run)
            if line.items:
                again[run] = line
        if turns is not self._free:
            self._held.update(turns)
        self._held.update(again)
        self._count -= len(taken)
        return taken

    def done(self, runs: Iterable[str]) -> None:
        """What was taken of these runs is handled: more of them may be taken, after that of those who waited meanwhile."""
        for run in runs:
            self._busy.discard(run)
            if line := self._held.pop(run, None):
                self._free[run] = line

    def done_all(self) -> None:
        """Of all runs more may be taken: whoever takes it goes on by itself."""
        self.done(list(self._busy))

    def clear(self) -> None:
        """Forget what waits. What was taken is handled all the same."""
        self._free.clear()
        self._held.clear()
        self._count = 0

    def firsts(self) -> Iterable[Item]:
        """Of each run what has waited longest."""
        for lines in (self._free, self._held):
            for line in lines.values():
                yield line.items[0]
