"""How long it took after each fault: read from the times that the services themselves wrote down."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
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
    """`resumed`: seconds from a fault's end to the next piece of work done by the service that it hit (by the checker, if it hit none).

    The worst of all faults, and which it was; for the sequencer and the executor an upper bound: where nothing was to be done, it is the
    time until there was. `reclaimed`: seconds from an executor's death to the next claim of a task that it had under way, the worst of all;
    at most one lease, half a second until a sweep sees it, and what follows. `interrupted`: how many of those there were.
    """

    resumed: float | None = None
    worst: str = ""
    reclaimed: float | None = None
    interrupted: int = 0


Piece = tuple[float, float]
"""Some work: from when on it waited to be done, and when it was done."""


async def measure(rig: Rig, faults: Sequence[Fault], submissions: Mapping[str, Piece]) -> Recovery:
    """The worst of all faults. `submissions`: the runs, each with the time of its first try to submit it and of its acceptance."""
    pieces = await _pieces(rig, submissions)
    gaps = [
        (gap, f"{fault.what} {fault.service or ''}".strip())
        for fault in faults
        if (gap := _gap(pieces[fault.service or "checker"], fault.end)) is not None
    ]
    resumed, worst = max(gaps, default=(None, ""))
    reclaimed = await _reclaimed(rig, list(submissions))
    return Recovery(resumed and round(resumed, 2), worst, round(max(reclaimed), 2) if reclaimed else None, len(reclaimed))


async def _pieces(rig: Rig, submissions: Mapping[str, Piece]) -> dict[str, list[Piece]]:
    """The work of each service by its end. The sequencer dates none of its changes: what it released is claimed a moment later."""
    of_runs = {"$in": list(submissions)}
    plans = await rig.docs("plans", run_id=of_runs, part=False)
    attempts = await rig.docs("attempts", run_id=of_runs, state={"$ne": "lost"})
    verdicts = await rig.docs("verdicts", run_id=of_runs, judgement="passed")
    ended = {doc["_id"]: doc["finished_at"].timestamp() for doc in attempts if "finished_at" in doc}
    claimed = [doc["claimed_at"].timestamp() for doc in attempts]
    pieces = {
        "approvals": list(submissions.values()),
        "planner": [(submissions[doc["run_id"]][0], doc["created_at"].timestamp()) for doc in plans],
        "sequencer": [(0.0, at) for at in claimed],
        "executor": [(0.0, at) for at in ended.values()],
        "checker": [(ended.get(doc["_id"], 0.0), judged_at(doc).timestamp()) for doc in verdicts],
    }
    return {service: sorted(work, key=lambda piece: piece[1]) for service, work in pieces.items()}


def _gap(work: list[Piece], since: float) -> float | None:
    """From `since`, or from when on there was something to do, to the first that was done after it."""
    after = work[bisect_right(work, since, key=lambda piece: piece[1]) :]
    return after[0][1] - max(since, min(began for began, _ in after)) if after else None


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
