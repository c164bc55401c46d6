"""The agents, by name. One entry here, one file in `services/executor/agents/`."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.plugins import brought

GROUP = "taskgrove.catalogue.agents"

Lane = Literal["waiting", "process"]


class Inputs(BaseModel):
    """What an agent takes from a task. Unknown keys are refused: a typing error must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ShellInputs(Inputs):
    """A script, run by `interpreter` in a directory of its own."""

    script: str = Field(min_length=1, max_length=262_144)
    interpreter: Literal["sh", "bash", "python"] = "sh"


class PythonInputs(Inputs):
    """A registered callable and its keyword arguments."""

    call: str = Field(min_length=1, max_length=200)
    args: dict[str, Any] = Field(default_factory=dict)


class HumanInputs(Inputs):
    """What to ask the person for; empty: the task's description. `submitted` is what they gave."""

    question: str = ""
    submitted: dict[str, Any] | None = None


class ModelInputs(Inputs):
    """What a language model is told to do; empty: the task's description. The caps can only lower what the executor allows."""

    instructions: str = Field(default="", max_length=65_536)
    max_steps: int | None = Field(default=None, ge=1, le=1_000)
    max_tokens: int | None = Field(default=None, ge=1)


class IntegrateInputs(Inputs):
    """Nothing: a parent is integrated from its children's results."""


class AgentInfo(BaseModel):
    """`lane` says what a running task costs: `waiting` ones only wait, `process` ones hold a processor."""

    model_config = ConfigDict(frozen=True)

    name: str
    summary: str
    lane: Lane
    inputs: type[Inputs]


AGENTS = {
    info.name: info
    for info in (
        AgentInfo(name="shell", summary="runs a script in a sandbox", lane="process", inputs=ShellInputs),
        AgentInfo(name="python", summary="calls a registered Python function", lane="waiting", inputs=PythonInputs),
        AgentInfo(name="model", summary="a language model works on it with tools", lane="waiting", inputs=ModelInputs),
        AgentInfo(name="human", summary="a person does it and submits the result", lane="waiting", inputs=HumanInputs),
        AgentInfo(name="integrate", summary="joins the results of a parent's children", lane="waiting", inputs=IntegrateInputs),
    )
}


@cache
def known_agents() -> Mapping[str, AgentInfo]:
    """These, and those that installed packages describe. Raises BadInput for a description that cannot be used."""
    return {**AGENTS, **brought(GROUP, AGENTS, fits=lambda info: isinstance(info, AgentInfo))}
