"""What an agent is, what it is given, and the tools it works with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from services.executor.agents.answers import Answer, Asks, Done, TooBig
from services.executor.agents.callables import Callables
from services.executor.agents.model.thinking import Thinking
from shared.artifacts import ArtifactStore
from shared.catalogue.agents import Inputs
from shared.contracts.executor import Result
from shared.contracts.phases import Phase
from shared.contracts.plan import Kind
from shared.errors import AgentFailed
from shared.models.settings import Commands
from shared.sandbox import Limits, Pool, ProcessControl, Sandbox

__all__ = ["MOST_CHILDREN", "Agent", "Answer", "Around", "Asks", "DependencyResult", "Done", "Lookup", "TooBig", "Tools", "Work", "given"]

Given = TypeVar("Given", bound=Inputs)
SUBMITTED = "TASKGROVE_INPUT_"
MOST_CHILDREN = 200
"""Of so many children a parent's result has the summaries: more would not fit."""


@dataclass(frozen=True, slots=True)
class DependencyResult:
    """How another task of the run ended: one that this task, or (`inherited`) a group around it, depends on; or a child of it."""

    title: str
    phase: Phase
    kind: Kind = "work"
    result: Result | None = None
    error: str | None = None
    inherited: bool = False


Lookup = Callable[[], Awaitable[Mapping[str, DependencyResult]]]


@dataclass(frozen=True, slots=True)
class Around:
    """What lies around a task, for an agent that has to understand it; pairs are of a name and a text.

    `goals` are the tasks above it, from the root down; `failure` is why an earlier try was not good enough; `answers` are questions of
    its agent with what people said. `splits` counts the tasks above it that were found too big, `deepest` says that no more levels fit.
    """

    goals: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    failure: str = ""
    answers: tuple[tuple[str, str], ...] = ()
    splits: int = 0
    deepest: bool = False


async def nothing_around() -> Around:
    """Of a task that stands alone."""
    return Around()


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt. What costs anything is a function, and is done only when asked for.

    `directory` names the attempt's own directory, which the agent makes; `say` takes a line for the logs; `env` is for scripts.
    `by_model` says that a language model planned the task, with its inputs; `anew` is the order by which a person wants it done again.
    """

    task_id: str
    run_id: str
    attempt_id: str
    epoch: int
    title: str
    description: str
    inputs: dict[str, Any]
    outputs: tuple[str, ...]
    timeout: float
    env: Mapping[str, str]
    directory: Callable[[], Path]
    say: Callable[[str], None]
    dependencies: Lookup
    children: Lookup
    control: ProcessControl
    around: Callable[[], Awaitable[Around]] = nothing_around
    by_model: bool = False
    anew: str = ""

    @property
    def submitted(self) -> dict[str, str]:
        """What of `env` came with the submission: the same in every attempt, which names of the attempt itself are not."""
        return {name: value for name, value in self.env.items() if name.startswith(SUBMITTED)}


class Agent(Protocol):
    """Does a task. Raises AgentFailed when it could not be done."""

    name: str

    async def do(self, work: Work) -> Answer:
        """One attempt, to its end; called for many tasks at once."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the executor's wiring gives to its agents. `limits.seconds` is replaced by the time that the task may take.

    `thinking` is None where no language model is configured. `spare` are the seconds that an attempt has at least for what lies around
    its work: laying out inputs, keeping files.
    """

    sandbox: Sandbox
    artifacts: ArtifactStore
    callables: Callables
    pool: Pool
    limits: Limits = field(default_factory=lambda: Limits(seconds=3_600))
    thinking: Thinking | None = None
    model_commands: Commands = "walls"
    spare: float = 600.0

    @property
    def may_obey_models(self) -> bool:
        """Whether commands that a language model decided are run: without walls they could read what the service knows."""
        return self.sandbox.has_walls or self.model_commands == "always"

    def close(self) -> None:
        """End the processes of the pool."""
        self.pool.close()


def given(inputs: Mapping[str, Any], *, as_: type[Given]) -> Given:
    """The inputs of the task as the agent's own. Raises AgentFailed that names the field."""
    try:
        return as_.model_validate(inputs)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "inputs"
        raise AgentFailed(f"the inputs do not fit the agent: {where}: {first['msg']}", code="bad_inputs", permanent=True) from error
