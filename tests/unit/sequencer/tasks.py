"""Tasks to decide about."""

from typing import Any

from services.sequencer.domain.task import Task, task_from
from shared.contracts.phases import Phase
from shared.messaging.publisher import Says

RUN = "01a20a310dde761e939da9971c4fb2a7"


def task(phase: Phase = Phase.READY, **fields: Any) -> Task:
    """A leaf below the root at its first try, with three tries in all; fields override."""
    document = {
        "_id": f"{RUN}.1", "parent_id": RUN, "kind": "work", "title": "Unit tests", "phase": phase, "passes": False, "epoch": 1,
        "attempts": 1, "max_attempts": 3, "depth": 1, "on_failure": "ask",
    }  # fmt: skip
    return task_from(document | fields)


async def tells_nothing(says: Says) -> None:
    """For `Deps.tell`, where nothing is large enough to begin before all of it is there."""
    raise AssertionError(f"nothing was to be said meanwhile: {says}")
