"""What the house needs of a language model: one question, one answer. `shared/models/` hides the endpoint, the ledger and the prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool used. `arguments` are what it gave, as an object; not validated."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation. `calls` are the model's own; `answers` is the id of the call that a tool's text answers."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    answers: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model may ask for; `parameters` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One call of a model. `schema` (a JSON Schema, named `schema_name`) binds the answer to JSON; it excludes `tools`."""

    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    tools: tuple[Tool, ...] = ()
    max_tokens: int = 2_048
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class About:
    """What a call is for: it is kept in the ledger under this task, and its cost is the task's.

    `anew` names the order by which a person wants the task done again: what was answered before it does not answer it.
    """

    run_id: str
    task_id: str
    purpose: str
    anew: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one answer cost. None: the endpoint did not say, or nobody knows the price."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said. `reused`: it came from the ledger and was not paid for again. `finish` is the endpoint's finish_reason."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"
    model: str = ""
    spent: Spent = field(default_factory=Spent)
    reused: bool = False


class Model(Protocol):
    """A model that can be asked."""

    @property
    def name(self) -> str:
        """The model, as its endpoint calls it."""

    async def ask(self, question: Question, about: About, *, seconds: float) -> Reply:
        """One answer within `seconds`; the same question about the same task is paid for once. Raises ModelFailed."""
