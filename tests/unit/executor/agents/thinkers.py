"""A model that says what a test wrote down for it, and remembers what it was asked."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

import services.executor
from services.executor.agents.model.caps import Caps
from services.executor.agents.model.thinking import Thinking
from services.executor.metrics import AgentMetrics
from shared.models.port import About, Question, Reply, Spent, ToolCall
from shared.models.prompts import Prompts
from shared.turns import Turns

PROMPTS = Path(services.executor.__file__).parent / "prompts"
Line = Reply | Exception | Callable[[Question], Reply]


@dataclass
class Scripted:
    """A Model: the n-th question gets the n-th line; the last line stays."""

    lines: Sequence[Line]
    name: str = "scripted"
    asked: list[Question] = field(default_factory=list)
    about: list[About] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def ask(self, question: Question, about: About, *, seconds: float) -> Reply:
        """What the script says."""
        line = self.lines[min(len(self.asked), len(self.lines) - 1)]
        self.asked.append(question)
        self.about.append(about)
        self.seconds.append(seconds)
        await asyncio.sleep(0)
        if isinstance(line, Exception):
            raise line
        return line if isinstance(line, Reply) else line(question)

    def heard(self, number: int = -1) -> str:
        """The last turn of a question."""
        return self.asked[number].turns[-1].text


def uses(name: str, _id: str = "c1", /, **arguments: Any) -> Reply:
    """The model uses a tool."""
    return Reply("", (ToolCall(_id, name, arguments),), finish="tool_calls", spent=Spent(100, 10))


def done(summary: str = "done", **data: Any) -> Reply:
    """The model says that it is done."""
    return uses("done", summary=summary, data=data)


def thinking(model: Scripted, registry: CollectorRegistry | None = None, **caps: Any) -> Thinking:
    """What the agent gets in wiring, around this model."""
    return Thinking(model, Prompts(PROMPTS), Caps(**caps), AgentMetrics(registry or CollectorRegistry()), Turns(2))


def named(attempt_id: str) -> dict[str, Any]:
    """An attempt with the names that scripts are told (services/executor/store.py)."""
    names = {"TASKGROVE_RUN_ID": "run", "TASKGROVE_TASK_ID": "run.1", "TASKGROVE_ATTEMPT_ID": attempt_id}
    return {"attempt_id": attempt_id, "env": {"TASKGROVE_INPUT_VERSION": "1.4", **names}}
