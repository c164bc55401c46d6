"""A run as one document: what an export holds, and what an import must be before anything of it is stored."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from services.approvals.domain.run_body import RunDocument
from shared.contracts.phases import TERMINAL
from shared.errors import BadInput, Conflict
from shared.ids import run_of, task_of
from shared.imports import revive

FORMAT = "run/1"
MOST_DOCS = 500
MOST_BYTES = 4 * 1024 * 1024

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


def exported(name: str, docs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents of a slice as an export holds them."""
    return [{key: value for key, value in doc.items() if key != "reply"} for doc in docs] if name in CALLS else list(docs)


def check_run(run: RunDocument, docs: Callable[[str], Iterable[Mapping[str, Any]]]) -> None:
    """Raises BadInput for what is no exported run, Conflict for a run that is not finished. `docs` gives those of a slice."""
    if run.taskgrove != FORMAT:
        raise BadInput(f"taskgrove: {run.taskgrove!r} is not {FORMAT!r}; only runs that this version exports can be imported")
    if unknown := sorted(set(run.slices) - set(SLICES)):
        raise BadInput(f"slices.{unknown[0]}: is none; there are {', '.join(SLICES)}")
    for name in run.slices:
        for position, doc in enumerate(docs(name)):
            if problem := _problem(name, doc, run.runId):
                raise BadInput(f"slices.{name}.{position}: {problem}")
    phases = {task["_id"]: task.get("phase") for task in docs("tasks")}
    if run.runId not in phases:
        raise BadInput(f"slices.tasks: the root task {run.runId} is missing")
    if running := [name for name, phase in phases.items() if phase not in TERMINAL]:
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


def parts(docs: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The documents in parts that a document of the store can hold."""
    part: list[Mapping[str, Any]] = []
    size = 0
    for doc in docs:
        length = len(orjson.dumps(doc))
        if part and (len(part) >= MOST_DOCS or size + length > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(doc)
        size += length
    if part:
        yield part
