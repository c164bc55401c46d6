"""A run as one document: what an export holds, and what an import must be before anything of it is stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.phases import TERMINAL
from shared.errors import BadInput, Conflict, LimitExceeded
from shared.ids import run_of, task_of
from shared.imports import revive

FORMAT = "run/1"
MOST_DOCS = 500
MOST_BYTES = 4 * 1024 * 1024
LARGEST_DOC = 12 * 1024 * 1024


CALLS = ("planner_calls", "executor_calls", "checker_calls")
"""The ledgers of model calls. An export has what was paid for, not what was said."""

OWNER: dict[str, Callable[[str], str]] = {
    "tasks": run_of,
    "sequences": lambda identifier: run_of(identifier.partition("@")[0]),
    "plans": lambda identifier: run_of(identifier.partition("@")[0]),
    "attempts": lambda identifier: run_of(task_of(identifier)),
    "verdicts": lambda identifier: run_of(task_of(identifier)),
    "approvals": lambda identifier: run_of(identifier.partition(":")[0]),
    **dict.fromkeys(CALLS, lambda identifier: run_of(identifier.partition(":")[0])),
}
SLICES = (*OWNER, "submissions")


class RunDocument(BaseModel):
    """`GET /tasks/{id}/export` gives it, `POST /imports` takes it."""

    model_config = ConfigDict(extra="ignore")

    taskgrove: str
    runId: str = Field(pattern="^[A-Za-z0-9_-]{1,64}$")  # noqa: N815 (as it stands in the JSON)
    slices: dict[str, list[dict[str, Any]]]


def exported(name: str, docs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents of a slice as an export holds them."""
    return [{key: value for key, value in doc.items() if key != "reply"} for doc in docs] if name in CALLS else list(docs)


def check_run(run: RunDocument) -> None:
    """Raises BadInput for what is no exported run, Conflict for a run that is not finished."""
    if run.taskgrove != FORMAT:
        raise BadInput(f"taskgrove: {run.taskgrove!r} is not {FORMAT!r}; only runs that this version exports can be imported")
    if unknown := sorted(set(run.slices) - set(SLICES)):
        raise BadInput(f"slices.{unknown[0]}: is none; there are {', '.join(SLICES)}")
    for name, docs in run.slices.items():
        for position, doc in enumerate(docs):
            if problem := _problem(name, doc, run.runId):
                raise BadInput(f"slices.{name}.{position}: {problem}")
    tasks = run.slices.get("tasks", [])
    if not any(task["_id"] == run.runId for task in tasks):
        raise BadInput(f"slices.tasks: the root task {run.runId} is missing")
    if running := [task["_id"] for task in tasks if task.get("phase") not in TERMINAL]:
        unfinished = f"{len(running)} tasks are not, {running[0]} for one"
        raise Conflict(f"only finished runs can be imported, and {unfinished}; export it again when all are")


def _problem(name: str, doc: Mapping[str, Any], run_id: str) -> str | None:
    """What is wrong with one document: each must belong to the run, so that an import cannot touch another one."""
    identifier = doc.get("_id")
    if not isinstance(identifier, str) or not identifier or doc.get("run_id") != run_id:
        return f"needs an _id, and run_id {run_id}"
    if name in OWNER and OWNER[name](identifier) != run_id:
        return f"_id {identifier!r} does not belong to the run {run_id}"
    if "task_id" in doc and run_of(str(doc["task_id"])) != run_id:
        return f"task_id {doc['task_id']!r} does not belong to the run {run_id}"
    if name == "submissions" and not _is_of(run_id, doc):
        return "kind must be submission, with the id of the run, or control, about a task of the run"
    try:
        revive(doc)
    except ValueError as error:
        return f"has a date that is none: {error}"
    return None


def _is_of(run_id: str, doc: Mapping[str, Any]) -> bool:
    """Whether what was submitted or ordered is of this run."""
    match doc:
        case {"kind": "submission", "_id": identifier}:
            return bool(identifier == run_id)
        case {"kind": "control", "event": {"taskId": str(task_id)}}:
            return run_of(task_id) == run_id
    return False


def parts(docs: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The documents in parts that a document of the store can hold."""
    part: list[Mapping[str, Any]] = []
    size = 0
    for doc in docs:
        length = len(orjson.dumps(doc))
        if length > LARGEST_DOC:
            raise LimitExceeded(f"{doc['_id']} has {length} bytes, more than the {LARGEST_DOC} that one document may have")
        if part and (len(part) >= MOST_DOCS or size + length > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(doc)
        size += length
    if part:
        yield part
