"""What a planner is, apart from the registry, so that planners can be written without importing each other."""

import inspect
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from shared.contracts.plan import NotesFile, Plan, RunOptions
from shared.models.port import Model


@dataclass(frozen=True, slots=True)
class Means:
    """What a planner may use that asks a model: the model, the agents that its plans may name, the seconds and the bytes of a prompt."""

    model: Model
    agents: tuple[str, ...] = ("shell", "model", "human")
    seconds: float = 900.0
    context_bytes: int = 100_000


@dataclass(frozen=True, slots=True)
class Scope:
    """The task that is planned, where it is not the whole run. `goals` are titles and descriptions of those above it, from the root down.

    `why` says why it needs a plan: it was too big, or what failed. `needs` are the tasks that it waits for: key and title.
    """

    title: str
    description: str
    why: str
    goals: tuple[tuple[str, str], ...] = ()
    checks: tuple[dict[str, Any], ...] = ()
    needs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PlanRequest:
    """What is to be planned: the task it is for, and all that was submitted with it.

    `means` is None where no language model is configured; `scope` is None for a whole run. `refused` says why the plan before this one,
    if there was one, could not be carried out.
    """

    task_id: str
    prompt: str
    notes: tuple[NotesFile, ...]
    options: RunOptions
    means: Means | None = None
    scope: Scope | None = None
    refused: str = ""


class Planner(Protocol):
    """Turns what was submitted into a tree of tasks.

    A `plan` that is an ordinary method is pure (no I/O, no clock, the same plan for the same request) and runs in a thread, at once.
    One that is a coroutine function waits for others, a model for instance: its plans are made in the background, under a lease.
    """

    name: str

    def plan(self, request: PlanRequest) -> Plan | Awaitable[Plan]:
        """The root's plan with nested subtasks. Raises NotesError, BadInput, LimitExceeded or ModelFailed."""


def waits(planner: Planner) -> bool:
    """Whether this planner asks somebody else, so that its plan takes seconds or minutes."""
    return inspect.iscoroutinefunction(planner.plan)
