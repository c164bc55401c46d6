"""What the approvals service is told from outside, `TASKGROVE_APPROVALS_` first."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApprovalsSettings(BaseSettings):
    """Who may come in first, and how much they may bring."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_APPROVALS_", extra="ignore", env_ignore_empty=True)

    bootstrap_keys: Path | None = Field(default=None, description="file (mode 0600) of first principals: [{name, key, roles, groups}]")
    body_bytes: int = Field(default=8 * 2**20, ge=1_024, le=12 * 2**20, description="largest body of a request")
    import_bytes: int = Field(
        default=128 * 2**20,
        ge=1_024,
        le=2**31,
        description="largest run that can be imported, by admins only; it takes one and a half times this of memory meanwhile",
    )
    control_seconds: float = Field(default=2.0, ge=0, le=30, description="how long PUT /tasks waits for its order to be carried out")
    poll_seconds: float = Field(default=1.0, ge=0.01, le=30, description="time between two looks for news while a client watches a run")
