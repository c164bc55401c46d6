"""What the checker may be told: `TASKGROVE_CHECKER_…`."""

import os

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.sandbox.values import MIB, Limits


class CheckerSettings(BaseSettings):
    """How much the checker takes on, and how far it trusts what it runs."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_CHECKER_", extra="ignore", env_ignore_empty=True)

    slots: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1, le=1_000, description="checks at once that run something")
    waiting_slots: int = Field(default=2_000, ge=1, le=100_000, description="judgements at once that are under way or wait for their turn")
    lease_seconds: float = Field(default=15.0, ge=1, le=600, description="after this long without a renewal another checker takes over")
    sandbox: str | None = Field(default=None, description="level that must work: bubblewrap or process; empty: the best that works")
    network: bool = Field(default=False, description="whether check commands may reach the network")
    command_memory_bytes: int = Field(
        default=Limits.memory_bytes, ge=MIB, description="bytes of memory for each process of a command; less than the service has"
    )
    model_bytes: int = Field(default=65_536, ge=1_024, description="most of a task's files and data that the check model is shown")
    model_patience_seconds: float = Field(default=600.0, ge=0, le=86_400, description="how long a model that is away is waited for")
    hidden: str = Field(default="", description="directories that check commands must not see, separated by ':'")
