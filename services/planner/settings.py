"""What the planner may be told: `TASKGROVE_PLANNER_…`."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class PlannerSettings(BaseSettings):
    """How much a planner may do."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_PLANNER_", extra="ignore", env_ignore_empty=True)

    seconds: float = Field(default=60.0, gt=0, le=3_600, description="time that making one plan may take")
