"""The agents of this executor: the built-in ones, and those that other packages offer as entry points."""

from services.executor.agents.base import Agent, Answer, Around, Asks, DependencyResult, Done, TooBig, Tools, Work
from services.executor.agents.callables import Callables, callable_
from services.executor.agents.human import HumanAgent
from services.executor.agents.integrate import IntegrateAgent
from services.executor.agents.model.agent import ModelAgent
from services.executor.agents.python import PythonAgent
from services.executor.agents.shell import ShellAgent
from shared.catalogue.agents import known_agents
from shared.plugins import brought, refuse_unmatched

GROUP = "taskgrove.agents"

__all__ = ["Agent", "Answer", "Around", "Asks", "Callables", "DependencyResult", "Done", "TooBig", "Tools", "Work", "agents", "callable_"]


def agents(tools: Tools) -> dict[str, Agent]:
    """All agents by name. An entry point is a function that takes the tools and gives an agent; it is known by its own name."""
    own: tuple[Agent, ...] = (ShellAgent(tools), PythonAgent(tools), ModelAgent(tools), HumanAgent(), IntegrateAgent())
    known = {agent.name: agent for agent in own}
    known |= brought(GROUP, known, make=lambda factory: factory(tools))
    refuse_unmatched("agent", offered=known, known=known_agents())
    return known
