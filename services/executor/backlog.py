"""What is ready and has no slot yet: in turns over runs, the more urgent first, and bounded without one big run's taking all of it."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shared.catalogue.agents import Lane

MOST = 20_000
EVERY = 10
"""Of so many slots one goes to what is less urgent, as long as there is any: so it goes on, however long the rush lasts."""


@dataclass(slots=True)
class Waiting:
    """A ready attempt: whose it is, what it takes, and since when it waits here, on the monotonic clock."""

    attempt_id: str
    run_id: str
    agent: str
    lane: Lane
    priority: int
    since: float


@dataclass(slots=True)
class _Line:
    """What waits of one run with one priority, by agent, these in turn as well: one that has no slot must not hold up the others."""

    agents: OrderedDict[str, deque[Waiting]] = field(default_factory=OrderedDict)

    def put(self, one: Waiting) -> None:
        """At the end of its agent's."""
        self.agents.setdefault(one.agent, deque()).append(one)

    def put_back(self, one: Waiting) -> None:
        """Before all others."""
        self.agents.setdefault(one.agent, deque()).appendleft(one)
        self.agents.move_to_end(one.agent, last=False)

    def take(self, may: Callable[[Waiting], bool]) -> Waiting | None:
        """The first that may go; None: none may."""
        for agent, waiting in self.agents.items():
            if may(waiting[0]):
                one = waiting.popleft()
                self._turn(agent)
                return one
        return None

    def drop_newest(self) -> Waiting:
        """The one that came last of the agent that has most."""
        agent = max(self.agents, key=lambda name: len(self.agents[name]))
        one = self.agents[agent].pop()
        if not self.agents[agent]:
            del self.agents[agent]
        return one

    def _turn(self, agent: str) -> None:
        if self.agents[agent]:
            self.agents.move_to_end(agent)
        else:
            del self.agents[agent]


class Backlog:
    """At most `most` attempts. What is left out of it is found by the sweep, and offered again."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._levels: dict[int, OrderedDict[str, _Line]] = {}
        self._sizes: Counter[str] = Counter()
        self._ids: set[str] = set()
        self._turns = 0
        self._served: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, attempt_id: object) -> bool:
        return attempt_id in self._ids

    def runs(self) -> set[str]:
        """Whose attempts wait."""
        return set(self._sizes)

    def add(self, one: Waiting) -> bool:
        """Whether it waits here now. Where there is no room, the newest of the run that has most goes, if that has more than this one's."""
        if one.attempt_id in self._ids:
            return True
        if len(self._ids) >= self._most and not self._made_room(one):
            return False
        self._line(one).put(one)
        self._note(one)
        return True

    def put_back(self, one: Waiting) -> None:
        """It was taken a moment ago and could not go: it has the next turn again."""
        self._line(one).put_back(one)
        self._levels[one.priority].move_to_end(one.run_id, last=False)
        self._note(one)

    def take(self, most: int, may: Callable[[Waiting], bool]) -> list[Waiting]:
        """At most so many that `may` go, each run in its turn. What may not now must not be able to go before the call ends."""
        taken: list[Waiting] = []
        aside: list[tuple[int, str, _Line]] = []
        while len(taken) < most and (level := self._next_level()) is not None:
            run, line = self._levels[level].popitem(last=False)
            one = line.take(may)
            if one is None:
                aside.append((level, run, line))
            else:
                taken.append(one)
                self._forget(one)
                self._served[level] = self._turns
                if line.agents:
                    self._levels[level][run] = line
            if not self._levels[level]:
                del self._levels[level]
        for level, run, line in reversed(aside):  # they have waited longest for their turn
            lines = self._levels.setdefault(level, OrderedDict())
            lines[run] = line
            lines.move_to_end(run, last=False)
        return taken

    def clear(self) -> list[str]:
        """All that waits, which does not any more."""
        left = list(self._ids)
        self._levels.clear()
        self._sizes.clear()
        self._ids.clear()
        return left

    def oldest(self, counts: Callable[[Waiting], bool]) -> float | None:
        """Since when the first of those has waited that count, which all of one run and agent do or none."""
        first = (waiting[0] for line in self._lines() for waiting in line.agents.values())
        return min((one.since for one in first if counts(one)), default=None)

    def _line(self, one: Waiting) -> _Line:
        return self._levels.setdefault(one.priority, OrderedDict()).setdefault(one.run_id, _Line())

    def _lines(self) -> Iterator[_Line]:
        for lines in self._levels.values():
            yield from lines.values()

    def _next_level(self) -> int | None:
        """The most urgent, but each tenth time one of the others, that which has waited longest for it."""
        urgent = max(self._levels, default=None)
        others = self._levels.keys() - {urgent}
        if others:
            self._turns += 1
        if not others or self._turns % EVERY:
            return urgent
        return min(others, key=lambda level: self._served.get(level, 0))

    def _made_room(self, one: Waiting) -> bool:
        """Room is shared as slots are, by run. Within a run the less urgent goes first."""
        largest = max(self._sizes, key=lambda run: self._sizes[run])
        if self._sizes[largest] > self._sizes[one.run_id] + 1:
            self._drop(largest, min(level for level, lines in self._levels.items() if largest in lines))
            return True
        if lower := [level for level, lines in self._levels.items() if level < one.priority and one.run_id in lines]:
            self._drop(one.run_id, min(lower))
            return True
        return False

    def _drop(self, run: str, level: int) -> None:
        lines = self._levels[level]
        self._forget(lines[run].drop_newest())
        if not lines[run].agents:
            del lines[run]
        if not lines:
            del self._levels[level]

    def _note(self, one: Waiting) -> None:
        self._sizes[one.run_id] += 1
        self._ids.add(one.attempt_id)

    def _forget(self, one: Waiting) -> None:
        self._ids.discard(one.attempt_id)
        self._sizes[one.run_id] -= 1
        if not self._sizes[one.run_id]:
            del self._sizes[one.run_id]
