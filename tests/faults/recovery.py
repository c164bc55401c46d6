"""How long it took after each fault: read from the times that the services themselves wrote down."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.ids import attempt_id, epoch_of, task_of
from tests.faults.rig import Rig
from tests.faults.verify import judged_at


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done, and when (seconds since 1970); `end`: from when on everything was there again, or could be started again."""

    what: str
    at: float
    end: float
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """`resumed`: seconds from a fault's end to the next piece of work done (by that service, if it hit one), the worst of all faults.

    An upper bound: where nothing was to be done, it is the time until there was. `reclaimed`: seconds from an executor's death to the next
    claim of a task that it had under way, the worst of all; at most one lease, half a second until a sweep sees it, and what follows.
    """

    resumed: float | None = None
    reclaimed: float | None = None
    interrupted: int = 0


SLICES = {
    "planner": ("plans", "created_at"),
    "sequencer": ("attempts", "claimed_at"),
    "executor": ("attempts", "finished_at"),
    "approvals": ("submissions", "created_at"),
}
"""Where a service's work is dated. The sequencer dates none of its changes: what it released is claimed a moment later."""


async def measure(rig: Rig, faults: Sequence[Fault], run_ids: list[str]) -> Recovery:
    """The worst of all faults."""
    moments = await _moments(rig, run_ids)
    resumed = [gap for fault in faults if (gap := _gap(moments[fault.service or "checker"], fault.end)) is not None]
    reclaimed = await _reclaimed(rig, run_ids)
    return Recovery(_worst(resumed), _worst(reclaimed), len(reclaimed))


async def _moments(rig: Rig, run_ids: list[str]) -> dict[str, list[float]]:
    of_runs = {"$in": run_ids}
    moments = {}
    for service, (collection, at) in SLICES.items():
        key = "_id" if collection == "submissions" else "run_id"
        docs = await rig.docs(collection, **{key: of_runs, at: {"$exists": True}})
        moments[service] = sorted(doc[at].timestamp() for doc in docs if doc.get("state") != "lost")
    moments["checker"] = sorted(judged_at(doc).timestamp() for doc in await rig.docs("verdicts", run_id=of_runs, judgement="passed"))
    return moments


def _gap(moments: list[float], since: float) -> float | None:
    at = bisect_right(moments, since)
    return moments[at] - since if at < len(moments) else None


async def _reclaimed(rig: Rig, run_ids: list[str]) -> list[float]:
    """For each attempt that had its effect and was lost: from the death of the process that had it to the claim of the next attempt."""
    died = {death.pid: death.at for death in rig.deaths}
    effects = {effect.attempt_id: effect.pid for effect in rig.ledger.effects()}
    attempts: dict[str, dict[str, Any]] = {doc["_id"]: doc for doc in await rig.docs("attempts", run_id={"$in": run_ids})}
    gaps = []
    for name, attempt in attempts.items():
        later = attempts.get(attempt_id(task_of(name), epoch_of(name) + 1))
        death = died.get(effects.get(name, 0))
        if attempt["state"] == "lost" and later and death:
            gaps.append(later["claimed_at"].timestamp() - death)
    return gaps


def _worst(seconds: list[float]) -> float | None:
    return round(max(seconds), 2) if seconds else None
