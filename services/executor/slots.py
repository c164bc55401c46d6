"""How many attempts may be under way here at once: of a lane, with an agent, and of a run."""

from collections import Counter
from collections.abc import Iterable, Mapping

from services.executor.backlog import Waiting
from shared.catalogue.agents import Lane


class Slots:
    """Taken before an attempt is claimed, free again when it is over or was not won. An agent that is not named may have all its lane."""

    def __init__(self, lanes: Mapping[Lane, int], agents: Mapping[str, int]) -> None:
        self.lanes = lanes
        self._agents = agents
        self._taken: dict[str, Waiting] = {}
        self._in_lane: Counter[Lane] = Counter()
        self._with_agent: Counter[str] = Counter()
        self._of_run: Counter[str] = Counter()

    def busy(self, lane: Lane) -> int:
        """How many of the lane are taken."""
        return self._in_lane[lane]

    def runs(self) -> Iterable[str]:
        """Whose attempts are under way here."""
        return self._of_run

    def of_run(self, run_id: str) -> int:
        """How many of a run are under way here."""
        return self._of_run[run_id]

    def capped(self, agent: str) -> bool:
        """Whether fewer may be under way with this agent than its lane has slots."""
        return agent in self._agents

    def take(self, one: Waiting, *, rooms: dict[str, int]) -> bool:
        """A slot for it, where lane, agent and run have one. `rooms` is what is left to those runs that are capped."""
        left = rooms.get(one.run_id, 1)
        if left <= 0 or self._in_lane[one.lane] >= self.lanes[one.lane]:
            return False
        if one.agent in self._agents and self._with_agent[one.agent] >= self._agents[one.agent]:
            return False
        if one.run_id in rooms:
            rooms[one.run_id] = left - 1
        self._taken[one.attempt_id] = one
        self._count(one, 1)
        return True

    def free(self, attempt_id: str) -> bool:
        """Its slot is free; whether it had one."""
        if one := self._taken.pop(attempt_id, None):
            self._count(one, -1)
        return one is not None

    def _count(self, one: Waiting, by: int) -> None:
        self._in_lane[one.lane] += by
        # Names of agents and runs come from outside: those that are not needed are not kept.
        for counter, name in ((self._with_agent, one.agent), (self._of_run, one.run_id)):
            counter[name] += by
            if not counter[name]:
                del counter[name]
