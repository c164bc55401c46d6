"""What a submission must be before it is taken, and how its task looks until it is planned."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import orjson

from shared.catalogue.planners import NOBODY_PLANS, default_planner, known_planners
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.plan import RunOptions
from shared.contracts.views import SubmitRequest, Usage
from shared.errors import BadInput, LimitExceeded
from shared.plugins import INSTALL

MOST_NOTES = 4 * 1024 * 1024
INPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}\Z")
LONGEST_TITLE = 300


def prompt_of(request: SubmitRequest) -> str:
    """The prompt, under either of its names. Raises BadInput or LimitExceeded for what cannot be run."""
    if request.description and request.prompt and request.description != request.prompt:
        raise BadInput("prompt: is another name for description; give one of them")
    prompt = request.description or request.prompt
    if not prompt.strip() and not request.notes:
        raise BadInput("description: there is nothing to do; give a description, or notes")
    if (size := sum(len(note.text.encode()) for note in request.notes)) > MOST_NOTES:
        raise LimitExceeded(f"notes: {size} bytes are more than the {MOST_NOTES} that one run may have; split the run")
    return prompt


def options_of(request: SubmitRequest, *, has_model: bool) -> RunOptions:
    """The options, with a planner: the one that is named, else the one that fits. Raises BadInput for what cannot be run."""
    options = request.options
    if "planner" not in options.model_fields_set:
        options = options.model_copy(update={"planner": default_planner(notes=bool(request.notes))})
    if options.planner not in known_planners():
        near = get_close_matches(options.planner, known_planners(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        known = f"there are: {', '.join(known_planners())} {INSTALL}"
        raise BadInput(f"options.planner: {options.planner!r} is not a planner; {hint}{known}")
    if options.planner == "model" and not has_model:
        raise BadInput(f"options.planner: {NOBODY_PLANS}")
    if odd := [name for name in options.inputs if not INPUT_NAME.match(name)]:
        raise BadInput(f"options.inputs: {odd[0]!r} cannot be the name of an input: letters, digits, _ and - only")
    return options


def body_digest(event: TaskSubmitted) -> str:
    """The same request gives the same digest, whatever run it became."""
    wire = {key: value for key, value in event.wire().items() if key not in ("runId", "submittedBy")}
    return hashlib.sha256(orjson.dumps(wire, option=orjson.OPT_SORT_KEYS)).hexdigest()


def waiting_view(submission: Mapping[str, Any]) -> dict[str, Any]:
    """The root task as it is seen until it is planned: expanding."""
    event, at = submission["event"], submission["at"]
    return {
        "taskId": submission["_id"], "runId": submission["_id"], "parentId": None, "childIds": [], "title": title_of(event),
        "description": event["prompt"], "kind": "group", "status": "In Progress", "phase": "expanding", "paused": False, "dependencies": [],
        "dependents": [], "assignedAgent": None, "inputs": {}, "checks": [], "checkpoint": None,
        "notes": [note["name"] for note in event["notes"]],
        "attempt": 0, "maxAttempts": 1, "depth": 0, "group": None, "critical": False, "priority": 5, "position": 0, "result": None,
        "evidence": [], "usage": Usage().wire(), "error": None, "version": 0,
        "createdAt": moment(at), "startedAt": None, "finishedAt": None, "children": None, "counts": {"expanding": 1},
    }  # fmt: skip


def title_of(event: Mapping[str, Any]) -> str:
    """The first line of the prompt, or of the notes; in the end the name of the notes."""
    texts = [event["prompt"], *(note["text"] for note in event["notes"])]
    lines = (line.lstrip("# ").strip() for text in texts for line in text[:4_096].splitlines())
    names = (note["name"] for note in event["notes"])
    return next((line for line in [*lines, *names] if line), str(event["runId"]))[:LONGEST_TITLE]


def moment(value: datetime | None) -> str | None:
    """A date as JSON has it, in the milliseconds that the store keeps."""
    return value.isoformat(timespec="milliseconds") if value else None
