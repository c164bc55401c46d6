"""What of an event goes into the live view, and which part of it a watcher of one task sees."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.base import Event

LISTS = ("tasks", "attempts", "verdicts")
TOLD = (*LISTS, "taskId")
"""What tells a watcher whom an event is about; under these names no field is taken over that its version of the contract does not have."""


def feed_data(event: Event) -> dict[str, Any]:
    """The event's JSON, without the text of notes: those may be megabytes, and are kept in the submission."""
    wire = {name: value for name, value in event.wire().items() if name not in event.further or name not in TOLD}
    if "notes" in wire:
        wire["notes"] = [{**note, "text": ""} for note in wire["notes"]]
    return wire


def seen_by(data: Mapping[str, Any], watched: str) -> dict[str, Any] | None:
    """What a watcher of this task (a root: of the whole run) sees of the event; None: nothing."""
    if data["runId"] == watched:
        return dict(data)
    for name in LISTS:
        if name in data:
            below = [identifier for identifier in data[name] if _is_below(identifier, watched)]
            return {**data, name: below} if below else None
    return dict(data) if _is_below(str(data.get("taskId", "")), watched) else None


def ends(event: str, data: Mapping[str, Any], run_id: str) -> bool:
    """Whether this is the news that the root itself ended."""
    return event in ("task.completed", "task.failed") and run_id in data.get("tasks", ())


def reopens(event: str, data: Mapping[str, Any], run_id: str) -> bool:
    """Whether this is the news that the root goes on after its end."""
    return event == "task.reopened" and run_id in data.get("tasks", ())


def _is_below(identifier: str, watched: str) -> bool:
    return identifier == watched or identifier.startswith((f"{watched}.", f"{watched}:"))
