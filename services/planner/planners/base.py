"""What a planner is, apart from the registry, so that planners can be written without importing each other."""

from dataclasses import dataclass
from typing import Protocol

from shared.contracts.plan import NotesFile, Plan, RunOptions


@dataclass(frozen=True)
class PlanRequest:
    """What is to be planned: the task it is for, and all that was submitted with it."""

    task_id: str
    prompt: str
    notes: tuple[NotesFile, ...]
    options: RunOptions


class Planner(Protocol):
    """Turns what was submitted into a tree of tasks. Pure: no I/O, no clock, and the same plan for the same request."""

    name: str

    def plan(self, request: PlanRequest) -> Plan:
        """The root's plan with nested subtasks. Raises NotesError, BadInput or LimitExceeded."""
