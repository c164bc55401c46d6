"""The plans that are measured: tasks that do nothing, each with a check that is judged."""

import json
from typing import Any

from shared.contracts.plan import NotesFile

CHECK = {"kind": "schema", "schema": {"type": "object", "minProperties": 1}}
NOTHING = {"call": "echo", "args": {"ok": True}}


def fan(width: int, *, seconds: float = 0.0) -> NotesFile:
    """`width` tasks side by side, joined by one that waits for all of them; each waits for `seconds`."""
    inputs = {"call": "sleep", "args": {"seconds": seconds}} if seconds else NOTHING
    names = [f"t{number}" for number in range(width)]
    return _file([*(_task(name, inputs=inputs) for name in names), {**_task("join", *names), "kind": "integration"}])


def chain(length: int) -> NotesFile:
    """`length` tasks, each waiting for the one before it."""
    return _file([_task(f"t{number}", *([f"t{number - 1}"] if number else [])) for number in range(length)])


def _task(name: str, *after: str, inputs: dict[str, Any] = NOTHING) -> dict[str, Any]:
    return {"key": name, "title": name, "agent": "python", "inputs": inputs, "checks": [CHECK], "after": list(after)}


def _file(tasks: list[dict[str, Any]]) -> NotesFile:
    return NotesFile(name="plan.json", text=json.dumps({"title": "benchmark", "tasks": tasks}))
