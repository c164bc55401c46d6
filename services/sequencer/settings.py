"""What the sequencer may be told: `TASKGROVE_SEQUENCER_…`."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SequencerSettings(BaseSettings):
    """How patient the sequencer is."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_SEQUENCER_", extra="ignore", env_ignore_empty=True)

    retry_base_seconds: float = Field(default=1.0, ge=0, le=3_600, description="bound of the first wait before a retry; doubles each time")
    retry_cap_seconds: float = Field(default=300.0, ge=0, le=86_400, description="longest bound of a wait before a retry")
