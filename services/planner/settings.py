"""What the planner may be told: `TASKGROVE_PLANNER_…`."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.planner.planners.base import Means
from shared.catalogue.agents import AGENTS
from shared.errors import BadInput
from shared.models.port import Model

PLANNABLE = tuple(name for name in ("shell", "model", "human") if name in AGENTS)


class PlannerSettings(BaseSettings):
    """How much a planner may do, and what plans of a model may hold."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_PLANNER_", extra="ignore", env_ignore_empty=True)

    seconds: float = Field(default=60.0, gt=0, le=3_600, description="time that making one plan may take")
    slots: int = Field(default=8, ge=1, le=1_000, description="plans that are made by models at once")
    lease_seconds: float = Field(default=15.0, ge=1, le=600, description="after this long without a renewal another planner takes over")
    model_seconds: float = Field(
        default=900.0, gt=0, le=86_400, description="time that a model may take for one plan, with all it is asked"
    )
    model_context_bytes: int = Field(default=100_000, ge=1_024, description="most bytes of prompt and notes that a model is given")
    model_agents: str = Field(default="shell,model,human", description="agents that plans of a model may name, separated by ','")

    def means(self, model: Model) -> Means:
        """What planners may use that ask this model. Raises BadInput for an agent that there is not."""
        agents = tuple(name for one in self.model_agents.split(",") if (name := one.strip()))
        if unknown := [name for name in agents if name not in PLANNABLE]:
            raise BadInput(f"TASKGROVE_PLANNER_MODEL_AGENTS: {', '.join(unknown)}: choose from {', '.join(PLANNABLE)}")
        return Means(model, agents, self.model_seconds, self.model_context_bytes)
