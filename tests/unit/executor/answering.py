"""Functions for the agent python whose answers no store takes."""

from typing import Any

from services.executor.agents.answers import TooBig
from services.executor.agents.callables import callable_
from shared.contracts.plan import TaskSpec


@callable_()
async def nests(levels: int) -> TooBig:
    """It proposes a task whose inputs are documents inside documents."""
    inputs: dict[str, Any] = {}
    for _ in range(levels):
        inputs = {"x": inputs}
    return TooBig("too deep", subtasks=(TaskSpec(key="a", title="A", inputs=inputs),))


@callable_(pool=True)
def reckon() -> dict[str, Any]:
    """In a process of its own, for a moment."""
    return {"sum": sum(range(1_000))}
