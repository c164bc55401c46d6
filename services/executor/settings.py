"""What the executor may be told: `TASKGROVE_EXECUTOR_…`."""

import os

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ExecutorSettings(BaseSettings):
    """How much the executor takes on, and how far it trusts what it runs."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_EXECUTOR_", extra="ignore", env_ignore_empty=True)

    waiting_slots: int = Field(default=10_000, ge=1, le=100_000, description="tasks at once that only wait")
    process_slots: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1, le=1_000, description="tasks at once that compute")
    lease_seconds: float = Field(default=15.0, ge=1, le=600, description="after this long without a renewal another executor takes over")
    timeout_seconds: float = Field(default=3_600.0, gt=0, le=604_800, description="time an attempt may take when its task does not say")
    sandbox: str | None = Field(default=None, description="level that must work: bubblewrap or process; empty: the best that works")
    network: bool = Field(default=False, description="whether scripts may reach the network")
    hidden: str = Field(default="", description="directories that scripts must not see, separated by ':'")
    model_steps: int = Field(default=40, ge=1, le=1_000, description="answers that a model may take for one attempt")
    model_tokens: int = Field(default=500_000, ge=1, description="tokens that a model may use for one attempt, prompts and answers")
    model_repeats: int = Field(default=3, ge=2, le=100, description="the very same tool call so often in a row: the model is stuck")
    model_context_bytes: int = Field(default=32_768, ge=1_024, description="most that a model is told of its task at the start")
    model_command_seconds: float = Field(default=120.0, gt=0, le=86_400, description="time that one command of a model may take")
    callables: str = Field(default="", description="modules with functions for the agent python, separated by ','")
