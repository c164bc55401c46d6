"""Which collections of the task store each service writes and reads. Where each has a user of its own, MongoDB holds it to that."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

WRITES = ("find", "insert", "update", "remove", "createIndex")
READS = ("find",)


@dataclass(frozen=True, slots=True)
class Slice:
    """What a service owns, that is, writes alone; and what it reads of the others'."""

    owns: tuple[str, ...]
    reads: tuple[str, ...]


SLICES = {
    "planner": Slice(("plans", "plannings", "planner_calls"), ("tasks", "attempts", "submissions", "imports")),
    "sequencer": Slice(("tasks", "sequences"), ("plans", "plannings", "verdicts", "approvals", "imports")),
    "executor": Slice(("attempts", "executor_calls"), ("tasks", "verdicts", "submissions", "imports")),
    "checker": Slice(("verdicts", "checker_calls"), ("tasks", "attempts", "imports")),
    "approvals": Slice(
        ("submissions", "approvals", "audit", "principals", "sessions", "feed", "imports", "quarantine", "logs"),
        ("tasks", "sequences", "plans", "plannings", "attempts", "verdicts", "planner_calls", "executor_calls", "checker_calls"),
    ),
}
APPENDS = {"logs": ("insert",), "quarantine": ("insert", "update")}
"""What every service adds to, and only approvals reads: lines of its log, and messages that it could not understand."""


def privileges(service: str, database: str) -> list[dict[str, Any]]:
    """The slice of a service in MongoDB's words, for `createRole`."""
    mine = SLICES[service]
    return [
        *_on(database, mine.owns, WRITES),
        *_on(database, mine.reads, READS),
        *(one for name, actions in APPENDS.items() if name not in mine.owns for one in _on(database, [name], actions)),
    ]


def _on(database: str, collections: Iterable[str], actions: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"resource": {"db": database, "collection": name}, "actions": list(actions)} for name in collections]
