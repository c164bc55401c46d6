"""The agent `human`: a person does the task and submits what came of it."""

from typing import Any

from services.executor.agents.base import Answer, Asks, Done, Work, given
from shared.catalogue.agents import HumanInputs
from shared.contracts.executor import Result

SUMMARY = 4_096


class HumanAgent:
    """Asks, and once there is an answer hands it on; the checker judges it like any other."""

    name = "human"

    async def do(self, work: Work) -> Answer:
        """The person's result, or the question to them."""
        inputs = given(work.inputs, as_=HumanInputs)
        if inputs.submitted is None:
            return Asks(inputs.question or work.description or work.title)
        return Done(_result(inputs.submitted))


def _result(submitted: dict[str, Any]) -> Result:
    """`summary` and `data` as given; a form without either is data as a whole. Files are not taken from here: their content is unknown."""
    if not submitted.keys() & {"summary", "data"}:
        return Result(data=submitted)
    data = submitted.get("data")
    others = {} if data is None else data if isinstance(data, dict) else {"data": data}
    return Result(summary=str(submitted.get("summary") or "")[:SUMMARY], data=others)
