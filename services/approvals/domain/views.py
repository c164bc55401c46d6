"""A task as people see it: its document, its attempt and its verdict together. Plain JSON values: a run may have 20 000 of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.approvals.domain.submitting import moment
from shared.contracts.executor import Outcome
from shared.contracts.phases import STATUS, Phase
from shared.ids import attempt_id, child_id

Doc = Mapping[str, Any]

JUDGED = frozenset({Outcome.EXECUTED, Outcome.FAILED, Outcome.LOST, Outcome.TOO_BIG, Outcome.ASKS})
USAGE = {"seconds": "seconds", "promptTokens": "prompt_tokens", "completionTokens": "completion_tokens", "usd": "usd"}
PAID = {name: stored for name, stored in USAGE.items() if name != "seconds"}
DECIMALS = 9
UNKNOWN: dict[str, Any] = dict.fromkeys((*USAGE, "unpriced"))


@dataclass(frozen=True, slots=True)
class Beside:
    """What other documents say about a task."""

    attempt: Doc | None = None
    verdict: Doc | None = None
    usage: Doc = field(default_factory=lambda: UNKNOWN)
    child_ids: Sequence[str] = ()
    dependencies: Sequence[str] = ()
    dependents: Sequence[str] = ()
    started_at: datetime | None = None


def current(task: Doc) -> str:
    """The id of the attempt that counts, and of the verdict on it."""
    return attempt_id(task["_id"], task["epoch"])


def dependencies_in(task: Doc) -> list[tuple[str, str]]:
    """(dependency, dependent) of what this document knows: a task with very many dependencies is named by them instead (`feeds`)."""
    name = task["_id"]
    return [*((before, name) for before in task.get("dependencies", ())), *((name, after) for after in task.get("feeds", ()))]


def is_group(task: Doc) -> bool:
    """Whether others are, or will be, below it."""
    return bool(task.get("children")) or task.get("kind") == "group"


def overlaid(task: Doc, attempt: Doc | None) -> Phase:
    """The phase as it is seen: a ready task is running, or being checked, when its attempt says so."""
    phase = Phase(task["phase"])
    return seen_by_attempt(attempt) if phase is Phase.READY and attempt is not None else phase


def seen_by_attempt(attempt: Doc) -> Phase:
    """The phase of a ready task with this attempt."""
    if attempt["state"] == Outcome.RUNNING:
        return Phase.RUNNING
    return Phase.CHECKING if attempt["state"] in JUDGED else Phase.READY


def task_view(task: Doc, beside: Beside) -> dict[str, Any]:
    """`TaskView` as JSON."""
    phase, attempt = overlaid(task, beside.attempt), beside.attempt or {}
    started_at = beside.started_at or attempt.get("claimed_at")
    return {
        "taskId": task["_id"], "runId": task["run_id"], "parentId": task.get("parent_id"), "childIds": beside.child_ids,
        "title": task["title"], "description": task.get("description", ""), "kind": task.get("kind", "work"),
        "status": STATUS[phase], "phase": phase, "paused": bool(task.get("paused")),
        "dependencies": beside.dependencies, "dependents": beside.dependents, "assignedAgent": task.get("agent"),
        "inputs": task.get("inputs") or {}, "checks": task.get("checks") or (), "checkpoint": task.get("checkpoint"),
        "notes": task.get("notes") or (), "attempt": task.get("attempts", 0), "maxAttempts": task.get("max_attempts", 1),
        "depth": task.get("depth", 0), "group": task.get("group"), "critical": bool(task.get("critical")),
        "priority": task.get("priority", 5), "position": task.get("position") or 0, "result": attempt.get("result"),
        "evidence": (beside.verdict or {}).get("evidence") or (), "usage": beside.usage, "error": task.get("error"),
        "version": task.get("version", 0), "createdAt": moment(task.get("created_at")), "startedAt": moment(started_at),
        "finishedAt": moment(task.get("finished_at")), "children": None, "counts": None,
    }  # fmt: skip


def usage_of(attempts: Iterable[Doc], calls: Iterable[Doc] = ()) -> dict[str, Any]:
    """The sum over these attempts and model calls of what is known; what none of them knows stays null.

    A call's seconds are part of its attempt's. `unpriced` counts the calls that have no known price: dollars are at least the sum then.
    """
    total = dict(UNKNOWN)
    for attempt in attempts:
        used = attempt.get("usage") or {}
        add(total, {name: used.get(name, used.get(stored)) for name, stored in USAGE.items()})
    for call in calls:
        add(total, {name: call.get(stored) for name, stored in PAID.items()} | {"unpriced": int(call.get("usd") is None)})
    return total


def add(total: dict[str, Any], more: Doc) -> None:
    """Add what is known of `more` to `total`: the same sum in whatever order, as far as a clock or a price says anything."""
    for name, value in more.items():
        if value is not None:
            total[name] = value if total[name] is None else round(total[name] + value, DECIMALS)


def approval_view(approval: Doc) -> dict[str, Any]:
    """`ApprovalView` as JSON."""
    return {
        "approvalId": approval["_id"], "runId": approval["run_id"], "taskId": approval["task_id"], "kind": approval["kind"],
        "title": approval["title"], "question": approval["question"], "choices": approval["choices"], "approvers": approval["approvers"],
        "required": approval["required"], "state": approval["state"], "digest": approval["digest"], "context": approval["context"],
        "decisions": approval["decisions"], "requestedAt": moment(approval["requested_at"]),
        "expiresAt": moment(approval.get("expires_at")),
    }  # fmt: skip


def sequence_view(sequence: Doc, children: Iterable[Doc]) -> dict[str, Any]:
    """`SequenceView` as JSON: order, groups and edges are read off the tasks of the plan that the sequence is of."""
    start = child_id(sequence["task_id"], int(str(sequence["_id"]).rpartition("@")[2]), 0).removesuffix("0")
    ours = [child for child in children if child["_id"].startswith(start) and child["_id"].removeprefix(start).isdigit()]
    ours.sort(key=lambda child: child.get("position") or 0)
    groups: dict[int, list[str]] = {}
    for child in ours:
        groups.setdefault(child.get("group") or 0, []).append(child["_id"])
    return {
        "taskId": sequence["task_id"], "planId": sequence["_id"], "order": [child["_id"] for child in ours],
        "edges": [edge for child in ours for edge in dependencies_in(child)], "groups": [groups[level] for level in sorted(groups)],
        "criticalPath": sequence.get("critical_path", ()), "integration": sequence.get("integration", ()),
        "forecastSeconds": sequence.get("forecast_seconds"),
    }  # fmt: skip
