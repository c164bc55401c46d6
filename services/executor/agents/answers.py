"""What an agent may answer: values only, so that the domain can decide on them."""

from dataclasses import dataclass

from shared.contracts.executor import Result
from shared.contracts.plan import TaskSpec


@dataclass(frozen=True, slots=True)
class Done:
    """The work is done, as the agent sees it; the checker decides."""

    result: Result


@dataclass(frozen=True, slots=True)
class TooBig:
    """Too much for one go: it needs a plan of its own, for which `subtasks` is a proposal."""

    reason: str
    subtasks: tuple[TaskSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Asks:
    """A person must answer or do something first."""

    question: str
    choices: tuple[str, ...] = ()


Answer = Done | TooBig | Asks
