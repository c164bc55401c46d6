"""A task's own agent and inputs, which come back when what a person submitted in their place is not to count any more."""

from typing import Any

from services.sequencer.domain.phases import Frozen
from services.sequencer.domain.task import Task


def own_again(task: Task) -> dict[str, Any]:
    """The fields that put them back; none, where nobody took over."""
    return {"agent": task.own["agent"], "inputs": Frozen(task.own["inputs"]), "own": None} if task.own else {}
