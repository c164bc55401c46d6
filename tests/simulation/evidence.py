"""What the invariants look at: the store as it was left, the watch and the ledger. Plain data, so that a test can doctor it."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.phases import TERMINAL
from shared.storage.port import Doc
from tests.simulation.agent import token_of
from tests.simulation.effects import Ledger
from tests.simulation.records import Accepted, Records, Run
from tests.simulation.watch import Watch
from tests.simulation.world import World

Docs = dict[str, Doc]


@dataclass
class Evidence:
    """By id where it has one. `faults`: the kinds that happened."""

    sweep: str
    faults: set[str]
    watch: Watch
    effects: Ledger
    accepted: Accepted
    runs: list[Run]
    tasks: Docs
    attempts: Docs
    verdicts: Docs
    approvals: Docs
    submissions: Docs
    sequences: Docs
    feed: list[Doc]
    audit: list[Doc]
    quarantine: list[Doc]
    children: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, world: World) -> "Evidence":
        """All that a world left behind."""
        records: Records = world.ledger
        documents = {name: {doc["_id"]: doc for doc in world.documents(name)} for name in BY_ID}
        lists = {name: world.documents(name) for name in IN_ORDER}
        return cls(
            sweep=world.sweep,
            faults={kind for _, _, kind, _ in world.faults.fired},
            watch=records.watch,
            effects=records.effects,
            accepted=records.accepted,
            runs=records.runs,
            **documents,
            **lists,
        ).related()

    def related(self) -> "Evidence":
        """With the children of each task, and when each was over for the last time."""
        self.children = defaultdict(list)
        for name, task in self.tasks.items():
            if task["parent_id"] is not None:
                self.children[task["parent_id"]].append(name)
        self._fed: dict[str, list[str]] = defaultdict(list)
        for name, task in self.tasks.items():
            for dependent in task.get("feeds", ()):
                self._fed[dependent].append(name)
        self._ended = {one.task_id: one.order for one in self.watch.changes if one.after in TERMINAL}
        return self

    def waits_for(self, name: str) -> list[str]:
        """The tasks that this one depends on."""
        return [*self.tasks[name].get("dependencies", ()), *self._fed[name]]

    def ended(self, name: str) -> float:
        """When it was over for the last time, in the watch's order; never: later than anything."""
        return self._ended.get(name, float("inf"))

    def is_by_hand(self, attempt: str) -> bool:
        """Whether a person did it, who may do so before its time."""
        return bool(self.attempts[attempt]["agent"] == "human")

    def data(self, attempt: str) -> dict[str, Any]:
        """What an attempt gave."""
        found: dict[str, Any] = ((self.attempts.get(attempt) or {}).get("result") or {}).get("data") or {}
        return found

    def token(self, attempt: str) -> int | None:
        """The number of the effect that its result rests on."""
        return token_of(self.data(attempt))


BY_ID = ("tasks", "attempts", "verdicts", "approvals", "submissions", "sequences")
IN_ORDER = ("feed", "audit", "quarantine")
