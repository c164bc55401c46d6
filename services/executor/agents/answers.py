"""What an agent may answer: values only, so that the domain can decide on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.executor import Result
from shared.contracts.plan import TaskSpec


@dataclass(frozen=True, slots=True)
class Done:
    """The work is done, as the agent sees it; the checker decides. `facts` say how it was done; they stay with the attempt.

    `crowded`: more of its run waits for the processor that it had.
    """

    result: Result
    facts: Mapping[str, Any] = field(default_factory=dict)
    crowded: bool = False


@dataclass(frozen=True, slots=True)
class TooBig:
    """Too much for one go: it needs a plan of its own, for which `subtasks` is a proposal."""

    reason: str
    subtasks: tuple[TaskSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Asks:
    """A person must answer or do something first."""

    question: str


Answer = Done | TooBig | Asks
