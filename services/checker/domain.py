"""Pure decisions of the checker: what can be judged at once, and what the evidence adds up to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shared.contracts.checker import NO_CHECK, Evidence, Judgement
from shared.contracts.executor import Outcome, Result
from shared.contracts.phases import Phase

UNJUDGED: dict[str, Judgement] = {
    Outcome.FAILED.value: "failed",
    Outcome.LOST.value: "lost",
    Outcome.TOO_BIG.value: "too_big",
    Outcome.ASKS.value: "asks",
    Outcome.RELEASED.value: "released",
    Outcome.CANCELLED.value: "cancelled",
}
MAY_BE_QUICK = frozenset({"contains", "schema"})
REFERRING = (b'"$ref"', b'"$dynamicRef"')
QUICK = 4_000_000
"""Bytes of a schema times bytes of what it is held against: some milliseconds at the worst."""
ASKED_LAST = frozenset({"model"})
NOT_JUDGED = "not_judged"
Check = Mapping[str, Any]
DONE_WELL = frozenset({Phase.COMPLETED, Phase.SKIPPED})


@dataclass(frozen=True, slots=True)
class Case:
    """One attempt that is over, and what its task must satisfy."""

    attempt_id: str
    task_id: str
    run_id: str
    epoch: int
    title: str
    state: str
    result: Result
    error: Mapping[str, Any] | None
    reason: str | None
    checks: tuple[Mapping[str, Any], ...]
    is_parent: bool
    by_model: bool = False
    anew: str = ""

    def document(self) -> dict[str, Any]:
        """What every verdict on it carries."""
        return {"_id": self.attempt_id, "task_id": self.task_id, "run_id": self.run_id, "epoch": self.epoch}

    @property
    def is_slow(self) -> bool:
        """Whether judging it takes longer than a message may be held: it lays out files, or runs something."""
        return self.state == Outcome.EXECUTED and any(_takes_long(check, self.result) for check in self.checks)


def _takes_long(check: Check, result: Result) -> bool:
    if check["kind"] not in MAY_BE_QUICK or check.get("path") or check.get("pattern"):
        return True
    return check["kind"] == "schema" and bool(result.data_file or not is_quick(check.get("schema"), result.data))


def is_quick(schema: Any, value: Any) -> bool:
    """Whether it is surely known at once if the value satisfies the schema: that takes no longer than their sizes multiplied.

    It could be anything where parts of the schema are referred to: a kilobyte of them, each twice by the one before, takes years.
    """
    text = orjson.dumps(schema)
    return not any(word in text for word in REFERRING) and len(text) * len(orjson.dumps(value)) <= QUICK


def admitted(cases: Sequence[Case], held: Mapping[str, int], *, most: int) -> tuple[list[Case], list[Case]]:
    """Those that one checker takes on, and those that wait until somebody has room. `held` are those that it has, by run.

    A run may have as many as if all that have any shared `most` with it: so one run alone has all, and a small one finds room beside a big
    one. With n runs that is `most` x (1 + 1/2 + … + 1/n) at the worst.
    """
    now = Counter(held)
    mine, rest = list[Case](), list[Case]()
    for case in cases:
        others = len(now) - (case.run_id in now)
        if now[case.run_id] < most // (1 + others):
            now[case.run_id] += 1
            mine.append(case)
        else:
            rest.append(case)
    return mine, rest


def unjudged(case: Case) -> dict[str, Any] | None:
    """The verdict on an attempt that does not claim to have done the work; None when it does."""
    judgement = UNJUDGED.get(case.state)
    if judgement is None:
        return None
    error = dict(case.error) if case.error else None
    return {"state": "done", "judgement": judgement, "evidence": [], "error": error, "reason": case.reason}


def verdict(evidence: Sequence[Evidence], *, failed_children: Sequence[str]) -> dict[str, Any]:
    """What the evidence adds up to: passed only if every check is, and every child was done."""
    missed = [item for item in evidence if not item.passed]
    error: dict[str, Any] | None = None
    if failed_children:
        names = ", ".join(failed_children[:10]) + (f" and {len(failed_children) - 10} more" if len(failed_children) > 10 else "")  # noqa: PLR2004
        error = {"code": "children_failed", "message": f"not done below it: {names}", "permanent": True}
    elif missed:
        message = "\n".join(f"check not passed: {item.check}: {item.detail}" for item in missed)
        error = {"code": "check_failed", "message": message[-8_192:], "permanent": False}
    return {
        "state": "done",
        "judgement": "failed" if error else "passed",
        "evidence": [item.wire() for item in evidence],
        "error": error,
        "reason": None,
    }


def in_order(checks: Sequence[Check]) -> tuple[list[Check], list[Check]]:
    """The checks that are made at once, and those that are asked only when all of these are passed: they are slow, and cost money."""
    return [check for check in checks if check.get("kind") not in ASKED_LAST], [
        check for check in checks if check.get("kind") in ASKED_LAST
    ]


def not_asked(check: Check, evidence: Sequence[Evidence]) -> Evidence | None:
    """Why this one need not be asked any more; None when everything so far is passed."""
    failed = next((item for item in evidence if not item.passed), None)
    return Evidence(check=str(check["kind"]), passed=False, detail=f"not asked, because of: {failed.check}") if failed else None


def not_judged(evidence: Sequence[Evidence], why: str) -> dict[str, Any]:
    """What stands where a check could not be made: the work is neither right nor wrong, and trying it again would not help."""
    error = {"code": NOT_JUDGED, "message": why[-8_192:], "permanent": True}
    return {"state": "done", "judgement": "failed", "evidence": [item.wire() for item in evidence], "error": error, "reason": None}


def not_wanted() -> dict[str, Any]:
    """What stands where the task was cancelled, or tried anew, while its work was checked."""
    return {"state": "done", "judgement": "cancelled", "evidence": [], "error": None, "reason": None}


def claimed() -> Evidence:
    """What stands where a task has no check of its own."""
    return Evidence(
        check=NO_CHECK, passed=True, detail="no check was asked for: all that is known is that the agent ended without an error"
    )


def of_children(children: Sequence[tuple[str, Phase]]) -> tuple[Evidence, list[str]]:
    """Whether all children, as titles with phases, were done; and those that were not."""
    missed = [f"{title} ({phase})" for title, phase in children if phase not in DONE_WELL]
    detail = f"{len(children) - len(missed)} of {len(children)} children done" + (f"; not: {', '.join(missed[:10])}" if missed else "")
    return Evidence(check="children", passed=not missed, detail=detail), missed
