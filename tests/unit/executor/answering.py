"""Functions for the agent python whose answers no store takes."""

from typing import Any

from services.executor.agents.callables import callable_


@callable_()
async def nests(levels: int) -> dict[str, Any]:
    """Documents inside documents."""
    answer: dict[str, Any] = {}
    for _ in range(levels):
        answer = {"x": answer}
    return answer
