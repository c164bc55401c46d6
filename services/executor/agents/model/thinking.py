"""What the agent needs to think with: a model, its prompts, and how far it may go."""

from dataclasses import dataclass

from services.executor.agents.model.caps import Caps
from services.executor.metrics import AgentMetrics
from shared.models.port import Model
from shared.models.prompts import Prompts
from shared.turns import Turns


@dataclass(frozen=True, slots=True)
class Thinking:
    """Built once, in wiring. `commands` are the programs that may run at once for all model tasks: thousands wait, few compute."""

    model: Model
    prompts: Prompts
    caps: Caps
    metrics: AgentMetrics
    commands: Turns
