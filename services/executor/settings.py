"""What the executor may be told: `TASKGROVE_EXECUTOR_…`."""

import os
import re
from collections.abc import Collection

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import BadInput
from shared.sandbox.values import MIB, Limits

SLOTS = re.compile(r"[1-9][0-9]{0,5}")
WAY = "write agents and how many of each, at least 1, such as shell=4,model=20"


class ExecutorSettings(BaseSettings):
    """How much the executor takes on, and how far it trusts what it runs."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_EXECUTOR_", extra="ignore", env_ignore_empty=True)

    waiting_slots: int = Field(default=10_000, ge=1, le=100_000, description="tasks at once that only wait")
    process_slots: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1, le=1_000, description="tasks at once that compute")
    agent_slots: str = Field(
        default="", description="most tasks at once with an agent, such as shell=4,model=20; others: all that there are"
    )
    lease_seconds: float = Field(default=15.0, ge=1, le=600, description="after this long without a renewal another executor takes over")
    timeout_seconds: float = Field(default=3_600.0, gt=0, le=604_800, description="time an attempt may take when its task does not say")
    sandbox: str | None = Field(default=None, description="level that must work: bubblewrap or process; empty: the best that works")
    network: bool = Field(default=False, description="whether scripts may reach the network")
    hidden: str = Field(default="", description="directories that scripts must not see, separated by ':'")
    command_memory_bytes: int = Field(
        default=Limits.memory_bytes, ge=MIB, description="bytes of memory for each process of a command; less than the service has"
    )
    model_steps: int = Field(default=40, ge=1, le=1_000, description="answers that a model may take for one attempt")
    model_tokens: int = Field(default=500_000, ge=1, description="tokens that a model may use for one attempt, prompts and answers")
    model_repeats: int = Field(default=3, ge=2, le=100, description="the very same tool call so often in a row: the model is stuck")
    model_context_bytes: int = Field(default=32_768, ge=1_024, description="most that a model is told of its task at the start")
    model_command_seconds: float = Field(default=120.0, gt=0, le=86_400, description="time that one command of a model may take")
    callables: str = Field(default="", description="modules with functions for the agent python, separated by ','")

    def slots_of(self, known: Collection[str]) -> dict[str, int]:
        """The most tasks at once of those agents that `agent_slots` names. Raises BadInput."""
        found: dict[str, int] = {}
        wrong = f"TASKGROVE_EXECUTOR_AGENT_SLOTS={self.agent_slots}"
        for part in filter(None, (part.strip() for part in self.agent_slots.split(","))):
            name, _, number = (word.strip() for word in part.partition("="))
            if not SLOTS.fullmatch(number):
                raise BadInput(f"{wrong}: {part!r} is not understood; {WAY}")
            if name not in known:
                raise BadInput(f"{wrong}: there is no agent {name!r} here; there are: {', '.join(known)}")
            if name in found:
                raise BadInput(f"{wrong}: {name!r} is said twice; keep one")
            found[name] = int(number)
        return found
