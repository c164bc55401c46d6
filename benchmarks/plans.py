"""The plans that are measured: tasks that do nothing, each with a check that is judged."""

import json
from typing import Any

from shared.contracts.plan import NotesFile

CHECK = {"kind": "schema", "schema": {"type": "object", "required": ["ok"]}}


def fan(width: int) -> NotesFile:
    """`width` tasks side by side, joined by one that waits for all of them."""
    names = [f"t{number}" for number in range(width)]
    return _file([*map(_nothing, names), {**_nothing("join", *names), "kind": "integration"}])


def chain(length: int) -> NotesFile:
    """`length` tasks, each waiting for the one before it."""
    return _file([_nothing(f"t{number}", *([f"t{number - 1}"] if number else [])) for number in range(length)])


def _nothing(name: str, *after: str) -> dict[str, Any]:
    inputs = {"call": "echo", "args": {"ok": True}}
    return {"key": name, "title": name, "agent": "python", "inputs": inputs, "checks": [CHECK], "after": list(after)}


def _file(tasks: list[dict[str, Any]]) -> NotesFile:
    return NotesFile(name="plan.json", text=json.dumps({"title": "benchmark", "tasks": tasks}))
