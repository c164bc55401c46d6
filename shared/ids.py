"""How everything is named. An id says where its bearer belongs, so that nothing has to be looked up to find its run."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import uuid_utils

from shared.errors import BadInput

UUID7 = re.compile(r"[0-9a-f]{12}7[0-9a-f]{19}\Z")
RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
EPOCH = re.compile(r"[0-9]{1,18}\Z")


def _uuid7() -> str:
    return uuid_utils.uuid7().hex


maker: ContextVar[Callable[[], str]] = ContextVar("maker", default=_uuid7)
"""What makes ids for this asyncio task and those that it starts: a simulation sets its own, so that the same seed gives the same ids."""


def new_id() -> str:
    """A fresh UUIDv7 as 32 hex digits: sortable by time, and as long as a W3C trace id."""
    return maker.get()()


def id_at(moment: datetime) -> str:
    """A fresh id as of `new_id`, sorted by this time: for ids whose order counts though they have several makers, by the store's clock."""
    return f"{int(moment.timestamp() * 1_000):012x}{new_id()[12:]}"


def made_at(identifier: str) -> float | None:
    """When an id of `new_id` was made, in seconds since 1970 by the clock of its maker; None for an id of another sort."""
    if not UUID7.match(identifier):
        return None
    return int(identifier[:12], 16) / 1000


def check_run_id(run_id: str) -> None:
    """Whoever publishes a submission chooses the id, and ids, paths and keys are built on it. Raises BadInput."""
    if not RUN_ID.match(run_id):
        raise BadInput(f"runId: {run_id!r} cannot be the id of a run: letters, digits, _ and - only; best is a UUIDv7 in hex")


def child_id(parent_id: str, version: int, position: int) -> str:
    """The id of the task at `position` (from 1) of a plan; the same plan always gives the same ids."""
    return f"{parent_id}.{position}" if version == 1 else f"{parent_id}.v{version}-{position}"


def run_of(task_id: str) -> str:
    """The run that a task belongs to: the part of the id before the first dot."""
    return task_id.partition(".")[0]


def attempt_id(task_id: str, epoch: int) -> str:
    """One try at a task. A verdict bears the id of the attempt that it judges."""
    return f"{task_id}:{epoch}"


def task_of(attempt: str) -> str:
    """The task that an attempt, or the verdict on it, is about."""
    return attempt.rpartition(":")[0]


def epoch_of(attempt: str) -> int:
    """The epoch of an attempt. Raises BadInput for an id that is not `task:epoch`."""
    _, colon, epoch = attempt.rpartition(":")
    if not colon or not EPOCH.match(epoch):
        raise BadInput(f"{attempt!r} is not an attempt id; one looks like TASK:EPOCH")
    return int(epoch)


def plan_id(task_id: str, version: int) -> str:
    """One version of the plan for a task."""
    return f"{task_id}@{version}"


def above(task_id: str) -> list[str]:
    """The tasks around this one, from the root down to its parent."""
    parts = task_id.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def in_run(run_id: str) -> dict[str, Any]:
    """A filter over tasks, attempts or verdicts: those of a run, found by their ids, which begin with it. Other runs' may lie between."""
    return {"_id": {"$gte": run_id, "$lt": f"{run_id};"}, "run_id": run_id}


def subtree(task_id: str) -> dict[str, str]:
    """A range over `_id` that holds every task below `task_id`, and not itself: '/' follows '.' in ASCII."""
    return {"$gt": f"{task_id}.", "$lt": f"{task_id}/"}
