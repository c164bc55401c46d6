"""The plans that are measured: tasks that do nothing, or wait, each with a check that is judged unless a plan has no room for it."""

import json
from typing import Any

from benchmarks.chores import CHECK, NOTHING
from shared.contracts.plan import NotesFile


def fan(width: int, *, seconds: float = 0.0) -> NotesFile:
    """`width` tasks side by side, joined by one that waits for all of them; each waits for `seconds`."""
    inputs = {"call": "sleep", "args": {"seconds": seconds}} if seconds else NOTHING
    names = [f"t{number}" for number in range(width)]
    return _file([*(_task(name, inputs=inputs) for name in names), {**_task("join", *names), "kind": "integration"}])


def chain(length: int) -> NotesFile:
    """`length` tasks, each waiting for the one before it."""
    return _file([_task(f"t{number}", *([f"t{number - 1}"] if number else [])) for number in range(length)])


def burst(width: int) -> NotesFile:
    """One task that all `width` others wait for."""
    return _file([_task("first"), *(_task(f"t{number}", "first") for number in range(width))])


def layers(width: int, count: int) -> NotesFile:
    """`count` layers of `width` tasks, each waiting for all of the layer before."""
    tasks = []
    for layer in range(count):
        before = [f"{layer - 1}.{number}" for number in range(width)] if layer else []
        tasks += [_task(f"{layer}.{number}", *before) for number in range(width)]
    return _file(tasks)


def spread(groups: int, each: int) -> NotesFile:
    """`groups` tasks that are each broken down into `each` others while the run goes on."""
    inputs = {"call": "spread", "args": {"count": each}}
    return _file([{"key": f"g{number}", "title": f"g{number}", "agent": "python", "inputs": inputs} for number in range(groups)])


def bare(width: int, call: str) -> NotesFile:
    """As many tasks as a plan may hold: no joining, no check, nothing said that need not be."""
    return _file([{"key": str(number), "title": "t", "agent": "python", "inputs": {"call": call}} for number in range(width)])


def burning(width: int, seconds: float) -> NotesFile:
    """Tasks that each keep a processor busy, in the executor's pool of processes."""
    inputs = {"call": "burn", "args": {"seconds": seconds}}
    return _file([_task(f"t{number}", inputs=inputs) for number in range(width)])


def _task(name: str, *after: str, inputs: dict[str, Any] = NOTHING) -> dict[str, Any]:
    return {"key": name, "title": name, "agent": "python", "inputs": inputs, "checks": [CHECK], "after": list(after)}


def _file(tasks: list[dict[str, Any]]) -> NotesFile:
    return NotesFile(name="plan.json", text=json.dumps({"title": "benchmark", "tasks": tasks}, separators=(",", ":")))
